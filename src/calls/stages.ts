import type { Code } from "../../contract/index.ts";
import type { ApprovalId, ApprovalRequest } from "../approvals/index.ts";
import type { Deadline, MonotonicMs, Sha256Hex, StoreMs } from "../base/index.ts";
import type { BudgetDemand } from "../budgets/index.ts";
import type { Leave } from "../dispatch/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId, Claim, ClaimPlace, EntryId, OpenCall, RunRecord } from "../ledger/index.ts";
import type { ApprovalRule, Decision } from "../policy/index.ts";
import type { Subject } from "../registry/index.ts";
import type { Write } from "../store/index.ts";
import type { StationTimes } from "../telemetry/index.ts";
import type { Ask, JsonRpcError } from "../upstream/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import type { RequestState } from "./round.ts";

/**
 * What is known of a call after each station, from the ground up. A call is one object that grows: each station fills in its
 * part and hands it on under the next name, so that no station can read what has not been found yet.
 */
export interface Arrived {
  readonly input: CallInput;
  /** Ours from the first moment. */
  id: CallId;
  readonly trace: Trace;
  /** The answer this call will have; later arrivals at the same step wait for it. */
  readonly whole: () => Promise<CallAnswer>;
  /** Answers the request that is open, while the call goes on. */
  readonly answerEarly: (answer: CallAnswer) => void;
}

export interface Authenticated extends Arrived {
  principal: Principal;
  /** Of the tenant's review before anything was looked up; 0 = none was on. */
  reviewFloor: number;
}

export interface Planned extends Authenticated {
  subject: Subject;
  /** As the caller gave them, with what the tool's class adds. */
  arguments: Readonly<Record<string, unknown>>;
  /** RFC 8785 text; what was digested is what is sent. */
  argumentsText: string;
  /** 16 bytes, drawn on first arrival; a return loads it from the first record. null = that record was erased. */
  salt: Uint8Array | null;
  argumentsCommitment: string;
  stepDigest: Sha256Hex;
  deadline: Deadline;
  /** null = one attempt per request, never replayed. */
  repeat: Repeat | null;
  run: NamedRun | null;
  budget: BudgetDemand;
  /** How long the caller wants to wait for people to decide, ms; null = it did not say. */
  patience: number | null;
  /** What the caller's client said to our own question, which is whether it was shown; null = it was not asked. */
  answered: Readonly<Record<string, unknown>> | null;
  /** The sealed state with which the caller came back for another round; null = a first arrival. */
  returns: RequestState | null;
  /** The open call this one goes on driving: it waited for input, or for approval. null = it is new, or nothing of it is durable yet. */
  waiting: OpenCall | null;
  /** The call of this step or key whose outcome is unknown, when this one sends it again; null = there is none. */
  sentBefore: SentBefore | null;
}

export interface Authorised extends Planned {
  decision: Decision;
}

export interface Approved extends Authorised {
  /** What exactly will run, and under what: an approval is bound to it. */
  intentDigest: Sha256Hex;
  /** People's yes, which the intent consumes; null = policy asks for none, or an earlier round of this call has consumed it. */
  approval: ApprovalRequest | null;
  /** The rules that this call needs people for: those of the decision, without what they have endorsed for its run. */
  rules: readonly ApprovalRule[];
  /** The approvals by which they have. */
  endorsed: readonly ApprovalId[];
}

export interface Admitted extends Approved {
  /** Of the tenant's limits that it was measured by; 0 = none were ever set. */
  limitsVersion: number;
  leave: Leave;
}

export interface Intended extends Admitted {
  /** null = a `read` that records only its outcome. */
  intent: EntryId | null;
  /** Directly before the first byte leaves: may it still? */
  mayDispatch: () => boolean;
}

export interface Executed extends Intended {
  reply: Reply | Held;
  /** What the caller was asked meanwhile and answered, for the record; null = nothing. */
  inputs: readonly Readonly<Record<string, unknown>>[] | null;
}

/** The call has come to its end: nothing is held any more. */
export interface Ended extends Executed {
  reply: Reply;
}

export interface Screened extends Ended {
  /** JSON text of what the caller sees, without the receipt; null = the refusal is all there is to see. */
  seen: string | null;
  /** Why that is not what the server answered; null = it is, or there is no answer. */
  withheld: Code | null;
}

/** The run a call names, which exists or is made with the call's first durable record. */
export interface NamedRun {
  readonly record: RunRecord;
  readonly step: string | null; // null = recorded in the run, never replayed
  /** Creates the run; null = it exists. */
  readonly creation: Write | null;
}

/** What makes a call repeat-safe: the place it claims, and what stands there already. */
export interface Repeat {
  readonly place: ClaimPlace;
  readonly expiresAt: StoreMs | null; // null = as long as the run
  /** null = nothing on record. Also a claim that is past its time or released, which a new call may replace. */
  readonly found: Claim | null;
  /** The found claim has ended and outlived its time: it says nothing any more, and the new call has a salt of its own. */
  readonly isPast: boolean;
}

/** The earlier call of the same step or key, of which nobody knows whether it happened, and which this one sends again. */
export interface SentBefore {
  readonly open: OpenCall;
  readonly outcomeEntry: EntryId;
  /** No later than this may its key be used again. */
  readonly keyGoodUntil: StoreMs;
  /** The approval that the first one consumed. It covers this one as well: one key, one effect. */
  readonly approval: ApprovalId | null;
}

/**
 * How execution ended.
 *  answered  the tool spoke; `raw` is the JSON text of its result as received
 *  withheld  the tool spoke, but its answer cannot be shown
 *  failed    provably not executed
 *  unknown   bytes left and no valid answer came
 * The last three carry the code that the caller gets; `detail` is public, `evidence` the operator's.
 */
export type Reply =
  | {
      readonly kind: "answered";
      readonly raw: string;
      readonly value: Readonly<Record<string, unknown>>;
      readonly isError: boolean;
    }
  | {
      readonly kind: "withheld" | "failed" | "unknown";
      readonly code: Code;
      readonly detail: string;
      readonly evidence: Readonly<Record<string, unknown>>;
      /** The server's own error, which callers of other things than tools are given as it is. */
      readonly rpc?: JsonRpcError;
    };

/**
 * The server is not done.
 *  asks  it wants input of the caller before it goes on; nothing of it runs meanwhile
 *  task  it goes on by itself under `task`, its own id
 */
export type Held =
  | {
      readonly kind: "asks";
      readonly requests: Readonly<Record<string, Ask>>;
      /** The whole result as the server gave it. */
      readonly value: Readonly<Record<string, unknown>>;
      readonly requestState: string | null;
    }
  | { readonly kind: "task"; readonly value: Readonly<Record<string, unknown>> };

/** When each station began and ended, and how much of it was waiting in a queue. */
export class Trace implements StationTimes {
  readonly startedAt: MonotonicMs;
  readonly names: string[] = [];
  readonly workMs: number[] = [];
  readonly queueMs: number[] = [];
  /** Waited in queues so far. */
  queuedMs = 0;

  constructor(startedAt: MonotonicMs) {
    this.startedAt = startedAt;
  }

  passed(station: string, workMs: number, queueMs: number): void {
    this.names.push(station);
    this.workMs.push(workMs);
    this.queueMs.push(queueMs);
  }
}
