import type { Sha256Hex } from "../base/index.ts";

/** What an `@approve("group=finance quorum=2 expiry=4h self=false escalate=managers:1h")` forbid asks for. */
export interface ApprovalRule {
  readonly policyId: string;
  /** People with this role are asked. */
  readonly group: string;
  /** How many different people have to say yes. */
  readonly quorum: number;
  readonly expiryMs: number;
  /** Whether a person in the requester's own chain may approve; null = the rule does not say, so the node's mode does. */
  readonly self: boolean | null;
  /**
   * Places in the arguments (JSON pointers) whose values a yes endorses: while a run lasts, this rule does not ask again about a call in
   * it with the same values there. Empty = a yes is for one call alone.
   */
  readonly endorse: readonly string[];
  /** Who else is asked when nobody has decided, in order of time. */
  readonly escalation: readonly EscalationStep[];
}

export interface EscalationStep {
  readonly group: string;
  /** After the request. */
  readonly afterMs: number;
}

/** A policy that decided: its id (its `@id` annotation, or its place in the file), its text, and what its author says about it. */
export interface DecidingPolicy {
  readonly id: string;
  readonly text: string;
  /** Its `@description`, as it was written; null = it has none. */
  readonly description: string | null;
}

/**
 * Policy's answer. `approve` = a permit matched and every matching forbid carries `@approve`; all of `approvals` must be
 * satisfied. `reasons` are the policies that decided; for a default deny it is empty and `why` says so. `errors` name policies
 * that could not be evaluated (each is a deny) or values that could not be mapped.
 */
export interface Decision {
  readonly effect: "allow" | "deny" | "approve";
  readonly reasons: readonly DecidingPolicy[];
  readonly why: string;
  readonly errors: readonly string[];
  readonly approvals: readonly ApprovalRule[];
  /** Other annotations of the deciding permits, e.g. `@redact("email")`: name to values, sorted. */
  readonly obligations: Readonly<Record<string, readonly string[]>>;
  /** Digest of the partition that decided; part of the intent digest. */
  readonly partition: Sha256Hex;
}
