import { timingSafeEqual } from "node:crypto";
import { canonicalJson, msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { DataKey, Keys } from "../keys/index.ts";
import type { ApprovalRequest, ApprovalVote } from "./request.ts";

/**
 * Rows prove themselves: a MAC under the tenant's key covers all of a request that never changes, and another each vote. Whoever can
 * write to the database, and no more than that, can neither change what people are asked nor speak in their name.
 */
export type ProofKeys = Pick<Keys, "scopeKey" | "hmac">;

export const proofKey = (keys: ProofKeys, tenant: TenantId): DataKey | Promise<DataKey> =>
  keys.scopeKey(`approval/${tenant}`);

export function requestProof(request: Omit<ApprovalRequest, "proof">, key: DataKey, keys: ProofKeys): string {
  const { state: _state, version: _version, decidedEntry: _entry, grant: _grant, ...lasting } = request;
  const { requestedAt, expiresAt } = lasting;
  return proofOf(
    "request",
    { ...lasting, requestedAt: msOf(requestedAt), expiresAt: msOf(expiresAt) },
    key,
    keys,
  );
}

export const isProvenRequest = (
  { proof, ...request }: ApprovalRequest,
  key: DataKey,
  keys: ProofKeys,
): boolean => isSame(proof, requestProof(request, key, keys));

/** Bound to the request, so that a vote on one is none on another. */
export function voteProof(
  vote: Omit<ApprovalVote, "proof">,
  { id, nonce, intentDigest }: Pick<ApprovalRequest, "id" | "nonce" | "intentDigest">,
  key: DataKey,
  keys: ProofKeys,
): string {
  return proofOf("vote", { ...vote, at: msOf(vote.at), id, nonce, intentDigest }, key, keys);
}

export const isProvenVote = (
  { proof, ...vote }: ApprovalVote,
  request: Pick<ApprovalRequest, "id" | "nonce" | "intentDigest">,
  key: DataKey,
  keys: ProofKeys,
): boolean => isSame(proof, voteProof(vote, request, key, keys));

const proofOf = (
  kind: "request" | "vote",
  value: Readonly<Record<string, unknown>>,
  key: DataKey,
  keys: ProofKeys,
): string => keys.hmac(key, `dev.signalbox/approval-${kind}/v1\n${canonicalJson(value)}`).toString("base64");

const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
