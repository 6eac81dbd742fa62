import type { ReceiptReference } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Claim, EntryId, LedgerEntry, RunRecord } from "../ledger/index.ts";
import { readClaim, stepPlace } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { receiptOf } from "./run-entry.ts";
import type { StepKind } from "./step-digest.ts";
import { localDigest } from "./step-digest.ts";

export interface RecordedStep<K extends StepKind = StepKind> {
  /** Of those that were asked for. */
  readonly kind: K;
  readonly output: unknown;
  /** False = by this very request. */
  readonly wasRecorded: boolean;
  readonly receipt: ReceiptReference;
}

export interface AskedStep<K extends StepKind = StepKind> {
  readonly key: string;
  readonly kind: K;
  /** May stand there in its place. Left out = nothing may. */
  readonly orKind?: K;
  /** What it is made from, as JSON text. */
  readonly input: string;
}

/**
 * What stands under a step of the run, if it is the same one. Something else there means that the agent's program has changed since,
 * or does not do the same things in the same order: it is told what is on record, because going on would mix two histories.
 */
export async function recordedStep<K extends StepKind>(
  run: RunRecord,
  asked: AskedStep<K>,
  house: House,
): Promise<Result<RecordedStep<K> | null>> {
  const claim = await readClaim(house.store, run.tenant, stepPlace(run.run, asked.key));
  if (claim === null) return ok(null);
  const first = await house.ledger.entry(run.tenant, `${claim.call}:0` as EntryId);
  const opened = first === null ? null : await house.ledger.payload(first);
  if (opened?.erased === true) {
    return refuse({
      code: "erased",
      detail: `step "${asked.key}" was recorded, and what it gave was erased`,
    });
  }
  const salt = opened?.payload.salt;
  const kind = [asked.kind, asked.orKind].find(
    (each) =>
      each !== undefined &&
      salt !== undefined &&
      claim.stepDigest === localDigest(each, asked.input, Buffer.from(salt, "base64")),
  );
  if (kind === undefined || first === null) return drift(asked, claim, first);
  const output: unknown = JSON.parse(opened?.payload.result ?? "null");
  return ok({ kind, output, wasRecorded: true, receipt: receiptOf(first) });
}

function drift(asked: AskedStep, claim: Claim, first: LedgerEntry | null): Result<never> {
  const recorded = first === null ? "a call that is under way" : describe(first, asked);
  return refuse({
    code: "step-mismatch",
    detail: `step "${asked.key}" is on record as ${recorded}; now it is asked for as a ${asked.kind}`,
    evidence: { step: asked.key, recorded: first?.entry.method ?? null, call: claim.call },
  });
}

/** The names are public to the run's owner: it chose them. */
function describe({ entry }: LedgerEntry, asked: AskedStep): string {
  const kind = entry.kind === "step" ? entry.method.slice("steps/".length) : null;
  if (kind !== null) return kind === asked.kind ? `a ${kind} made from something else` : `a ${kind}`;
  const name = entry.subject?.slice(entry.subject.indexOf("/") + 1);
  return name === undefined ? entry.method : `${entry.method} of ${name}`;
}
