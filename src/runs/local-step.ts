import type { LocalStepKind } from "../../contract/index.ts";
import type { Result, Sha256Hex } from "../base/index.ts";
import { canonicalJson, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import type { House } from "./house.ts";
import type { KnownRuns } from "./known-runs.ts";
import { outputBytesMax, racesMax } from "./limits.ts";
import type { RecordedStep } from "./recorded-step.ts";
import { recordedStep } from "./recorded-step.ts";
import type { Speaker } from "./open-run.ts";
import { openRun } from "./open-run.ts";
import { writeStep } from "./write-step.ts";

/** What a step is: the same key with another kind or another input is another step, and refused. */
export interface StepIdentity {
  readonly key: string;
  readonly kind: LocalStepKind;
  /** A digest of what it is made from; null = of nothing. Only a salted commitment to it is in the open. */
  readonly input: Sha256Hex | null;
}

export interface LocalStep extends StepIdentity {
  /** Any JSON value. */
  readonly output: unknown;
  /** For people, and for counting: which model, how many tokens. */
  readonly note: Readonly<Record<string, unknown>> | null;
}

/** What stands under the key, so that the agent need not do it again. null = nothing: it is the agent's turn. */
export async function lookUpStep(
  owner: Principal,
  speaker: Speaker,
  step: StepIdentity,
  house: House,
): Promise<Result<RecordedStep | null>> {
  const run = await openRun(owner, speaker, house);
  return run.ok ? onRecord(run.value, step, house) : run;
}

/**
 * Records what the agent has done, in one transaction: it had no effect of ours, so no intent goes before it. When two processes
 * have done the same step, the first one's record counts and both are given it. In a run that is known nothing is read before it is
 * written: the write proves the attempt, that the run is open, and that nothing stands under the step.
 */
export async function recordStep(
  owner: Principal,
  speaker: Speaker,
  step: LocalStep,
  known: KnownRuns,
  house: House,
): Promise<Result<RecordedStep>> {
  const output = canonicalJson(step.output);
  const bytes = Buffer.byteLength(output);
  if (bytes > outputBytesMax) {
    const detail = `the output of "${step.key}" has ${bytes} bytes; at most ${outputBytesMax} are kept under a step`;
    return refuse({ code: "body-too-large", detail });
  }
  for (let races = 0; races < racesMax; races++) {
    let run = known.find(owner, speaker);
    if (run === null) {
      const opened = await openRun(owner, speaker, house);
      if (!opened.ok) return opened;
      run = opened.value;
      const found = await onRecord(run, step, house);
      if (!found.ok || found.value !== null) return found as Result<RecordedStep>; // null was just ruled out
    }
    const { key, kind, note } = step;
    const draft = { key, kind, note, input: inputText(step), output, waitsFor: null, writes: [] };
    const written = await writeStep(owner, run, draft, house);
    if (written === null) {
      known.forget(owner, speaker.name);
      continue;
    }
    known.remember(owner, run.starts === 0 ? run : { ...run, starts: 0 });
    // As it will come back from the record, the order of members included.
    return ok({ output: JSON.parse(output) as unknown, wasRecorded: false, receipt: written.receipt });
  }
  return refuse({ code: "conflict", detail: `others keep changing the run at the same moment` });
}

const onRecord = (run: RunRecord, step: StepIdentity, house: House): Promise<Result<RecordedStep | null>> =>
  recordedStep(run, { ...step, input: inputText(step) }, house);

const inputText = ({ input }: StepIdentity): string => JSON.stringify(input);
