import type { Result } from "../base/index.ts";
import { msOf, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunId, RunRecord } from "../ledger/index.ts";
import { isEnded, proveUnfinished, putToRest, runById } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { racesMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";
import { waitingSignal } from "./signals.ts";

export interface RestWishes {
  readonly wakeInMs: number | null;
  /** Runs that it has started, and has not heard the end of. */
  readonly children: readonly RunId[];
}

/**
 * The agent ends its process because it has nothing to do but wait; its hook starts it when a timer is due or something has come.
 * `wakeInMs` is what the agent knows of its timers; null = it waits for signals and people alone. A signal that came, a decision that
 * fell, or a child that ended meanwhile wakes it at once.
 */
export async function rest(
  owner: Principal,
  speaker: Speaker,
  wishes: RestWishes,
  house: House,
): Promise<Result<void>> {
  const { wakeInMs } = wishes;
  for (let races = 0; races < racesMax; races++) {
    const run = await openRun(owner, speaker, house);
    if (!run.ok) return run;
    if (run.value.hook === null)
      return refuse({
        code: "conflict",
        detail: "the run names no hook, so nobody would start its agent again",
      });
    const now = await house.store.now();
    const asks = await house.asksOf(run.value.run);
    const instants = [...run.value.waitsFor, ...asks].flatMap(({ until }) =>
      until === null ? [] : [msOf(until)],
    );
    const soonest = Math.min(...instants, wakeInMs === null ? Infinity : msOf(plusMs(now, wakeInMs)));
    let hasCome = asks.some(({ isDecided }) => isDecided);
    for (const wait of run.value.waitsFor)
      hasCome ||= wait.kind === "signal" && (await waitingSignal(run.value, wait.signal, house)) !== null;
    const children: RunRecord[] = [];
    for (const id of wishes.children) {
      const child = await runById(house.store, run.value.tenant, id);
      // Somebody else's counts as one that has come: nothing is told of it.
      if (child === null || isEnded(child) || child.owner !== run.value.owner) hasCome = true;
      else children.push(child);
    }
    const wakeAt = hasCome ? now : Number.isFinite(soonest) ? plusMs(now, soonest - msOf(now)) : null;
    // A child that ends at the same moment as another one leaves no trace in the row: so these prove that they have not.
    const { verdict } = await house.store.commit([
      putToRest(run.value, wakeAt),
      ...children.map(proveUnfinished),
    ]);
    if (verdict === "done") return ok(undefined);
  }
  return refuse({ code: "conflict", detail: "others keep changing the run at the same moment" });
}
