import type { ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { elapsedMs, invariant, msOf, ok, plusMs, refuse, storeMs } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { House } from "./house.ts";
import { racesMax, sleepMsMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";
import { recordedStep } from "./recorded-step.ts";
import { withWait } from "./waits.ts";
import { writeStep } from "./write-step.ts";

export interface Sleep {
  readonly key: string;
  readonly ms: number;
}

export interface Sleeping {
  /** 0 = it is over. */
  readonly leftMs: number;
  /** False = it began with this request. */
  readonly wasRecorded: boolean;
  readonly receipt: ReceiptReference;
}

/**
 * Sets the instant a step wakes up at, in the store's time, at its first visit; every later visit waits for what is left until then.
 * Another length at a later visit is no drift: programs compute lengths from the time of day.
 */
export async function sleep(
  owner: Principal,
  speaker: Speaker,
  { key, ms }: Sleep,
  house: House,
): Promise<Result<Sleeping>> {
  invariant(Number.isSafeInteger(ms) && ms >= 0 && ms <= sleepMsMax, `a sleep is at most ${sleepMsMax} ms`);
  for (let races = 0; races < racesMax; races++) {
    const run = await openRun(owner, speaker, house);
    if (!run.ok) return run;
    const now = await house.store.now();
    const found = await recordedStep(run.value, { key, kind: "timer", input: nothing }, house);
    if (!found.ok) return found;
    if (found.value !== null) {
      const { output, kind: _, ...record } = found.value;
      return ok({ ...record, leftMs: Math.max(0, elapsedMs(storeMs((output as Recorded).wakeAt), now)) });
    }
    const until = plusMs(now, ms);
    const waitsFor = withWait(run.value, { kind: "timer", step: key, until }, now);
    if (!waitsFor.ok) return waitsFor;
    const recorded: Recorded = { wakeAt: msOf(until) };
    const draft = { key, kind: "timer", input: nothing, output: JSON.stringify(recorded) } as const;
    const more = { note: null, waitsFor: waitsFor.value, writes: [] };
    const written = await writeStep(owner, run.value, { ...draft, ...more }, house);
    if (written !== null) return ok({ leftMs: ms, wasRecorded: false, receipt: written.receipt });
  }
  return refuse({ code: "conflict", detail: "others keep changing the run at the same moment" });
}

/** A timer is made from nothing: see `sleep`. */
const nothing = "null";

/** The output of a timer, written above. */
interface Recorded {
  readonly wakeAt: number;
}
