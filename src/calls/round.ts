import type { Sha256Hex } from "../base/index.ts";
import type { CallId, EntryId } from "../ledger/index.ts";

/**
 * What a caller of the newer era carries between two rounds of one call, sealed: it can be neither read nor changed outside, and
 * is good for the same request of the same principal, until it is out of date, on any node.
 */
export interface RequestState {
  readonly call: CallId;
  /** Base64; the commitments of all rounds are made with it. */
  readonly salt: string;
  readonly stepDigest: Sha256Hex;
  /** Run, step and key as the caller named them (`namesText`): another round names the same. */
  readonly names: string;
  /** null = nothing of the call is durable yet: a `read` after its first round. */
  readonly intent: EntryId | null;
  /** The server's own state; null = it gave none, or the call is parked. */
  readonly upstream: string | null;
  /** The caller was told that people are asked: nothing of the call has been sent to its server. */
  readonly isForApproval: boolean;
  /** Where the call is held open because its server knows no rounds; null = nowhere, any node can go on. */
  readonly park: ParkedAt | null;
}

export interface ParkedAt {
  readonly id: string;
  readonly node: string;
  readonly fence: number;
  readonly round: number;
}
