import type { Brand, Sha256Hex, WallMs } from "../base/index.ts";
import type { Code } from "../../contract/index.ts";
import type { PrincipalId, TenantId } from "../identity/index.ts";

export type CallId = Brand<"call">;
export type RunId = Brand<"run">;
/**
 * `<call id>:<n>` for the n-th entry of a call, `<call id>:a<n>` for the n-th time people are asked to approve it, `<step id>:0` for
 * a local step, `<event id>:0` for what became of a run, `<act id>:0` for an administrative act, `<summary id>:0` for a summary.
 */
export type EntryId = Brand<"entry">;

/**
 * How a call ended.
 *  succeeded  the tool answered; `isError` is its own flag, and an error answer may have had effects. `withheld`: why the caller was
 *             given other words instead of the answer; left out = it has the answer
 *  failed     provably not executed: no byte left, or a protocol rejection
 *  unknown    bytes left and no valid answer came
 *  refused    we said no
 */
export type Outcome =
  | { readonly kind: "succeeded"; readonly isError: boolean; readonly withheld?: Code }
  | { readonly kind: "failed"; readonly code: Code }
  | { readonly kind: "unknown"; readonly code: Code }
  | { readonly kind: "refused"; readonly code: Code };

/**
 *  request  people are asked to approve a call: what exactly, and who
 *  intent   durable before any effect
 *  outcome  ends a call (also without an intent: a `read`, or a refusal)
 *  resolve  settles an unknown outcome; its method says how: by a person, or because the call was sent again
 *  step     something an agent produced itself under a step of its run
 *  run      a run began another attempt, or ended
 *  act      an administrative act
 *  summary  refusals beyond a principal's bound, counted
 */
export const entryKinds = [
  "request",
  "intent",
  "outcome",
  "resolve",
  "step",
  "run",
  "act",
  "summary",
] as const;
export type EntryKind = (typeof entryKinds)[number];

/** What a decision leaves in the record. Policy ids, never policy texts. */
export interface DecisionRecord {
  readonly effect: "allow" | "deny" | "approve";
  readonly policies: readonly string[];
}

/**
 * One record of the ledger, as it is before it is written. The leaf is the RFC 8785 text of `{v: 1, ...}` of all of this;
 * everything personal is in the sealed payload, to which `commitments` bind it.
 */
export interface Entry {
  readonly id: EntryId;
  readonly kind: EntryKind;
  readonly tenant: TenantId;
  readonly at: WallMs;
  readonly call: CallId | null;
  readonly run: RunId | null;
  readonly step: string | null;
  /** The actor first, then on whose behalf, nearest first. */
  readonly principals: readonly PrincipalId[];
  /** "tools/call" and so on; `steps/<kind>` and `runs/<event>` inside a run; for acts `admin.<noun>.<verb>`. */
  readonly method: string;
  /** `<server id>/<upstream name>` for tools; the act's target; null when there was none to name. */
  readonly subject: string | null;
  /** Digests or version numbers of what was in force: policy, pin, identity. */
  readonly versions: Readonly<Record<string, string>>;
  readonly decision: DecisionRecord | null;
  readonly intentDigest: Sha256Hex | null;
  readonly stepDigest: Sha256Hex | null;
  readonly outcome: Outcome | null;
  /** `commitment(salt, bytes)` per name: arguments, raw (result as received), result (as sent, without the receipt), payload. */
  readonly commitments: Readonly<Record<string, string>>;
  /** The entry this one follows; the sequencer never places it before that one. */
  readonly after: EntryId | null;
}

/** What is sealed beside an entry. Every field may be absent: refusals have no result, acts no salt. */
export interface Payload {
  /** 16 bytes, base64. */
  readonly salt?: string;
  /** RFC 8785 text of the arguments, as sent upstream. */
  readonly arguments?: string;
  /** The result as the caller saw it, without the receipt. */
  readonly result?: string;
  /** For people: why it was refused, what the act changed. */
  readonly note?: Readonly<Record<string, unknown>>;
}
