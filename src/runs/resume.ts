import type { Result } from "../base/index.ts";
import { elapsedMs, ok, refuse } from "../base/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { askToWake } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { House } from "./house.ts";

/**
 * Somebody wants an open run whose agent is away to go on now: it is due at once, whatever it rests for and however long its pause is. Its
 * agent looks by itself whether what it waits for has come, and rests again where it has not.
 */
export async function resumeWrites(
  run: RunRecord,
  { store, hooks }: House,
): Promise<Result<readonly Write[]>> {
  const conflict = (detail: string) => refuse({ code: "conflict" as const, detail });
  if (run.state === "dead") return conflict("the run is dead: have it retried, or drop it");
  if (run.state !== "open") return refuse({ code: "run-ended", detail: `the run is ${run.state}` });
  if (run.hook === null)
    return conflict(
      `nothing starts its agent, because the run names no hook: start its program, which attaches to "${run.name}" and goes on`,
    );
  const hook = hooks.get(run.hook);
  if (hook === undefined)
    return conflict(`the configuration has no "${run.hook}", which starts its agent: bring it back`);
  const now = await store.now();
  if (run.aliveUntil !== null && elapsedMs(run.aliveUntil, now) > 0)
    return conflict(`its agent is alive, and at work as attempt ${run.attempt}`);
  // Due at once, it would be dead at once.
  if (run.starts >= hook.startsMax)
    return conflict(`its agent has just been started for the ${run.starts}th and last time`);
  return ok([askToWake(run, now)]);
}
