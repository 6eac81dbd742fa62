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
  /** What a model's answer has used of the run's budget. Left out = nothing. */
  readonly tokens?: number;
}

/** What stands under the key, so that the agent need not do it again. null = nothing: it is the agent's turn. */
export async function lookUpStep(
  owner: Principal,
  speaker: Speaker,
  step: StepIdentity,
  house: House,
): Promise<Result<RecordedStep<LocalStepKind> | null>> {
  const run = await openRun(owner, speaker, house);
  if (!run.ok) return run;
  const found = await onRecord(run.value, step, house);
  return found.ok && found.value === null ? (overBudget(run.value, step) ?? found) : found;
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
): Promise<Result<RecordedStep<LocalStepKind>>> {
  const output = canonicalJson(step.output);
  const bytes = Buffer.byteLength(output);
  if (bytes > outputBytesMax) {
    const detail = `the output of "${step.key}" has ${bytes} bytes; at most ${outputBytesMax} are kept under a step`;
    return refuse({ code: "body-too-large", detail });
  }
  for (let races = 0; races < racesMax; races++) {
    let run = known.find(owner, speaker);
    // What is known may be out of date: a person may have raised what it may use.
    if (run !== null && overBudget(run, step) !== null) run = null;
    if (run === null) {
      const opened = await openRun(owner, speaker, house);
      if (!opened.ok) return opened;
      run = opened.value;
      const found = await onRecord(run, step, house);
      if (!found.ok || found.value !== null) return found as Result<RecordedStep<LocalStepKind>>; // null was just ruled out
      const refused = overBudget(run, step);
      if (refused !== null) return refused;
    }
    const { key, kind, note, tokens = 0 } = step;
    const tokensUsed = run.tokensUsed + tokens;
    const change = tokens === 0 ? {} : { tokensUsed };
    const draft = { key, kind, note, input: inputText(step), output, waitsFor: null, change, writes: [] };
    const written = await writeStep(owner, run, draft, house);
    if (written === null) {
      known.forget(owner, speaker.name);
      continue;
    }
    known.remember(owner, run.starts === 0 && tokens === 0 ? run : { ...run, starts: 0, tokensUsed });
    // As it will come back from the record, the order of members included.
    return ok({ kind, output: JSON.parse(output) as unknown, wasRecorded: false, receipt: written.receipt });
  }
  return refuse({ code: "conflict", detail: `others keep changing the run at the same moment` });
}

const onRecord = (
  run: RunRecord,
  step: StepIdentity,
  house: House,
): Promise<Result<RecordedStep<LocalStepKind> | null>> =>
  recordedStep(run, { ...step, ...inPlaceOf[step.kind], input: inputText(step) }, house);

/** A model's step comes to an answer, or to no room for one: whoever asks for either is told which. */
const inPlaceOf: Readonly<Record<LocalStepKind, { readonly orKind?: LocalStepKind }>> = {
  model: { orKind: "exhausted" },
  exhausted: { orKind: "model" },
  value: {},
};

/**
 * The answer that uses the last of a budget is recorded, whatever it has used: it is paid for. The next model step is refused. null = there
 * are tokens left.
 */
function overBudget({ tokensUsed, tokensMax }: RunRecord, { key, kind }: StepIdentity): Result<never> | null {
  if (kind !== "model" || tokensMax === null || tokensUsed < tokensMax) return null;
  return refuse({
    code: "token-budget-exhausted",
    detail: `step "${key}": the run has used ${tokensUsed} tokens of ${tokensMax}`,
    evidence: { tokensUsed, tokensMax },
  });
}

const inputText = ({ input }: StepIdentity): string => JSON.stringify(input);
