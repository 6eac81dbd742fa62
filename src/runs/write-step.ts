import { commitment } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId, EntryId, RunChange, RunRecord, RunWait } from "../ledger/index.ts";
import { changeRun, claimFinal, stepPlace } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import type { House } from "./house.ts";
import type { PreparedEntry } from "./run-entry.ts";
import { prepareEntry, saltBytes } from "./run-entry.ts";
import type { StepKind } from "./step-digest.ts";
import { committedDigest } from "./step-digest.ts";

export interface StepDraft {
  readonly key: string;
  readonly kind: StepKind;
  /** JSON texts. */
  readonly input: string;
  readonly output: string;
  readonly note: Readonly<Record<string, unknown>> | null;
  /** What the run waits for from then on; null = as before. */
  readonly waitsFor: readonly RunWait[] | null;
  /** What else changes of the run with it. Left out = nothing. */
  readonly change?: RunChange;
  /** Whatever else is done with it or not at all. */
  readonly writes: readonly Write[];
}

/**
 * Puts a step on record: its entry, its claim and the proof of the attempt in one transaction. Null = the attempt was replaced, the run
 * ended, somebody recorded the same step, or another write of it failed: looking again says which.
 */
export async function writeStep(
  owner: Principal,
  run: RunRecord,
  draft: StepDraft,
  house: House,
): Promise<PreparedEntry | null> {
  const { key, kind, input, output, note, waitsFor } = draft;
  const salt = house.random.bytes(saltBytes);
  const inputCommitment = commitment(salt, input);
  const digest = committedDigest(kind, inputCommitment);
  const entry = await prepareEntry(
    owner,
    run,
    {
      kind: "step",
      method: `steps/${kind}`,
      step: key,
      stepDigest: digest,
      salt,
      input,
      inputCommitment,
      output,
      note,
    },
    house,
  );
  const place = stepPlace(run.run, key);
  const claim = { tenant: run.tenant, place, call: holderOf(entry.id), stepDigest: digest };
  const { verdict } = await house.store.commit([
    changeRun(run, { ...draft.change, ...(waitsFor === null ? {} : { waitsFor }) }),
    claimFinal(claim, entry.id),
    entry.write,
    ...draft.writes,
  ]);
  if (verdict !== "done") return null;
  house.ledger.noted(run.tenant);
  return entry;
}

/** Where a claim names its call it names the step: `<step id>:0` is the only entry of it. */
const holderOf = (entry: EntryId): CallId => entry.slice(0, -":0".length) as CallId;
