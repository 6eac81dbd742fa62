import type { ApprovalId, ApprovalRequest } from "../approvals/index.ts";
import type { Sha256Hex, WallMs } from "../base/index.ts";
import { msOf } from "../base/index.ts";
import type { DecisionRecord, Entry, EntryId, EntryKind, Outcome } from "../ledger/index.ts";
import type { Decision } from "../policy/index.ts";
import { principalIds } from "./principal-ids.ts";
import type { Authenticated, Planned } from "./stages.ts";

/** As much of a call as is known when one of its entries is written; a refusal can come before anything is planned. */
export type Known = Authenticated &
  Partial<Planned> & {
    readonly decision?: Decision;
    readonly intentDigest?: Sha256Hex;
    readonly approval?: ApprovalRequest | null;
    readonly endorsed?: readonly ApprovalId[];
    readonly limitsVersion?: number;
  };

export interface EntryPart {
  readonly kind: EntryKind;
  readonly id: EntryId;
  readonly at: WallMs;
  readonly outcome: Outcome | null;
  readonly commitments: Readonly<Record<string, string>>;
  readonly after: EntryId | null;
}

export function entryOf(call: Known, part: EntryPart): Entry {
  const { principal, subject, decision } = call;
  const versions: Record<string, string> = { identity: principal.version };
  if (subject !== undefined) {
    versions["pin"] = subject.pin;
    // What a server is told beside its definitions: where it is, how long a call may take. A tool's class is set apart from both.
    versions["server"] = `${subject.server.version}`;
    versions["class"] = subject.class.kind;
  }
  if (decision !== undefined) versions["policy"] = decision.partition;
  if (call.limitsVersion !== undefined && call.limitsVersion > 0)
    versions["limits"] = `${call.limitsVersion}`;
  if (call.approval !== undefined && call.approval !== null) versions["approval"] = call.approval.id;
  if (call.endorsed !== undefined && call.endorsed.length > 0) versions["endorsed"] = call.endorsed.join(" ");
  return {
    ...part,
    after: part.after ?? call.input.about?.outcomeEntry ?? null,
    tenant: principal.tenant,
    call: call.id,
    run: call.run?.record.run ?? null,
    step: call.run?.step ?? null,
    principals: principalIds(principal),
    method: call.input.method,
    subject: subject?.id ?? null,
    versions,
    decision: decision === undefined ? null : decisionRecord(decision),
    intentDigest: call.intentDigest ?? null,
    stepDigest: call.stepDigest ?? null,
  };
}

export const entryId = (call: string, n: number): EntryId => `${call}:${n}` as EntryId;

/** Of what people were asked about a call: `<call id>:a1`, and `:a2` and so on when they are asked anew. */
export const requestEntryId = (call: string, n: number): EntryId => `${call}:a${n}` as EntryId;

const decisionRecord = (decision: Decision): DecisionRecord => ({
  effect: decision.effect,
  policies: decision.reasons.map((policy) => policy.id),
});

let dayNumber = -1;
let dayText = "";

/**
 * `run/<tenant>/<run>` inside a run, else `day/<tenant>/<principal>/<UTC day>`: what one erasure takes away together. A question about
 * another call goes with that call.
 */
export function sealingScope(call: Known, at: WallMs): string {
  if (call.input.about !== undefined) return call.input.about.sealedUnder;
  if (call.run !== undefined && call.run !== null)
    return `run/${call.principal.tenant}/${call.run.record.run}`;
  const today = Math.floor(msOf(at) / 86_400_000);
  if (today !== dayNumber) {
    dayText = new Date(today * 86_400_000).toISOString().slice(0, 10);
    dayNumber = today;
  }
  return `day/${call.principal.tenant}/${call.principal.id}/${dayText}`;
}
