import type { ReceiptReference } from "../../contract/index.ts";
import type { Result, StoreMs } from "../base/index.ts";
import { canonicalJson, elapsedMs, ok, plusMs, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Escalation, RunRecord, RunWait } from "../ledger/index.ts";
import { changeRun } from "../ledger/index.ts";
import type { Arrivals } from "./arrivals.ts";
import type { House } from "./house.ts";
import { lookEveryMs, racesMax } from "./limits.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";
import { recordedStep } from "./recorded-step.ts";
import { waitingSignal } from "./signals.ts";
import { withWait, withoutWait } from "./waits.ts";
import { writeStep } from "./write-step.ts";

export interface SignalWait {
  readonly key: string;
  readonly signal: string;
  /** From the first visit of the step. null = for as long as the run is open. */
  readonly timeoutMs: number | null;
  /** Left out or null = it waits for no decision. */
  readonly escalation?: Escalation | null;
}

/** What a wait has come to so far. */
export type Waited =
  | {
      readonly state: "taken";
      readonly payload: unknown;
      readonly wasRecorded: boolean;
      readonly receipt: ReceiptReference;
    }
  | { readonly state: "timed-out"; readonly wasRecorded: boolean; readonly receipt: ReceiptReference }
  /** null = it waits for good. */
  | { readonly state: "waiting"; readonly leftMs: number | null };

export interface Patience {
  /** How long to hold the request when there is nothing yet. */
  readonly holdMs: number;
  readonly signal: AbortSignal;
  readonly arrivals: Arrivals;
}

/**
 * Takes a signal for a step, once it is there: it leaves the run's signals and comes on record in one transaction, so that it is never
 * lost and never taken twice. How long the step waits is settled at its first visit.
 */
export async function waitForSignal(
  owner: Principal,
  speaker: Speaker,
  wait: SignalWait,
  { holdMs, signal, arrivals }: Patience,
  house: House,
): Promise<Result<Waited>> {
  const startedAt = house.clock.monotonic();
  for (let races = 0; races < racesMax;) {
    const looked = await look(owner, speaker, wait, house);
    if (!looked.ok) return looked;
    if (looked.value === "again") {
      races++;
      continue;
    }
    const { waited, run } = looked.value;
    const heldMs = elapsedMs(house.clock.monotonic(), startedAt);
    const over = heldMs >= holdMs || signal.aborted || arrivals.closed;
    if (waited.state !== "waiting" || over) return ok(waited);
    const sleepMs = Math.min(lookEveryMs, holdMs - heldMs, waited.leftMs ?? lookEveryMs);
    await arrivals.next(run.run, Math.max(1, Math.ceil(sleepMs)), signal);
    races = 0;
  }
  return refuse({ code: "conflict", detail: "others keep changing the run at the same moment" });
}

type Looked = "again" | { readonly run: RunRecord; readonly waited: Waited };

async function look(
  owner: Principal,
  speaker: Speaker,
  wait: SignalWait,
  house: House,
): Promise<Result<Looked>> {
  const { key, signal } = wait;
  const found = await openRun(owner, speaker, house);
  if (!found.ok) return found;
  const run = found.value;
  const input = JSON.stringify(signal);
  const recorded = await recordedStep(run, { key, kind: "signal", input }, house);
  if (!recorded.ok) return recorded;
  if (recorded.value !== null) {
    const { output, kind: _, ...record } = recorded.value;
    return ok({ run, waited: waitedOf(output as Recorded, record) });
  }
  const now = await house.store.now();
  const standing = run.waitsFor.find(
    (each) => each.step === key && each.kind === "signal" && each.signal === signal,
  );
  const there = await waitingSignal(run, signal, house);
  const isTimedOut = there === null && hasPassed(standing, now);
  if (there === null && !isTimedOut) return stand(run, wait, standing ?? null, now, house);
  const output: Recorded = there === null ? { isTimedOut } : { isTimedOut, payload: there.payload };
  const written = await writeStep(
    owner,
    run,
    {
      key,
      kind: "signal",
      input,
      output: canonicalJson(output),
      note: null,
      waitsFor: withoutWait(run, key),
      writes: there === null ? [] : [there.taking],
    },
    house,
  );
  if (written === null) return ok("again");
  return ok({ run, waited: waitedOf(output, { wasRecorded: false, receipt: written.receipt }) });
}

/** Nothing is there yet. At the first visit the run comes to stand in front of the signal, from then on until the same instant. */
async function stand(
  run: RunRecord,
  { key, signal, timeoutMs, escalation = null }: SignalWait,
  standing: RunWait | null,
  now: StoreMs,
  house: House,
): Promise<Result<Looked>> {
  if (standing !== null)
    return ok({
      run,
      waited: { state: "waiting", leftMs: standing.until === null ? null : elapsedMs(standing.until, now) },
    });
  const until = timeoutMs === null ? null : plusMs(now, timeoutMs);
  const waitsFor = withWait(
    run,
    { kind: "signal", step: key, signal, until, ...(escalation === null ? {} : { escalation }) },
    now,
  );
  if (!waitsFor.ok) return refuse(waitsFor.refusal);
  await house.store.commit([changeRun(run, { waitsFor: waitsFor.value })]);
  // Whether this went through or somebody was faster: it is looked at again with what stands there now.
  return ok("again");
}

const hasPassed = (wait: RunWait | undefined, now: StoreMs): boolean =>
  wait !== undefined && wait.until !== null && elapsedMs(wait.until, now) <= 0;

/** The output of a wait, as it is on record. */
interface Recorded {
  readonly isTimedOut: boolean;
  readonly payload?: unknown;
}

const waitedOf = (
  { isTimedOut, payload }: Recorded,
  record: { readonly wasRecorded: boolean; readonly receipt: ReceiptReference },
): Waited =>
  isTimedOut ? { state: "timed-out", ...record } : { state: "taken", payload: payload ?? null, ...record };
