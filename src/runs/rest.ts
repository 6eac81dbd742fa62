import type { Result } from "../base/index.ts";
import { msOf, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import { putToRest } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { racesMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";
import { waitingSignal } from "./signals.ts";

/**
 * The agent ends its process because it has nothing to do but wait; its hook starts it when a timer is due or something has come.
 * `wakeInMs` is what the agent knows of its timers; null = it waits for signals and people alone. A signal that came, or a decision that
 * fell, meanwhile wakes it at once.
 */
export async function rest(
  owner: Principal,
  speaker: Speaker,
  wakeInMs: number | null,
  house: House,
): Promise<Result<void>> {
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
    const wakeAt = hasCome ? now : Number.isFinite(soonest) ? plusMs(now, soonest - msOf(now)) : null;
    const { verdict } = await house.store.commit([putToRest(run.value, wakeAt)]);
    if (verdict === "done") return ok(undefined);
  }
  return refuse({ code: "conflict", detail: "others keep changing the run at the same moment" });
}
