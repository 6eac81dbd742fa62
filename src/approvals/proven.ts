import { msOf } from "../base/index.ts";
import type { Prover } from "./proof.ts";
import { isSameProof, proofOf } from "./proof.ts";
import { areProvenReasons } from "./reasons.ts";
import type { ApprovalRequest, ApprovalVote } from "./request.ts";
import { requestProof } from "./request.ts";

export const isProvenRequest = ({ proof, ...request }: ApprovalRequest, prover: Prover): boolean =>
  isSameProof(proof, requestProof(request, prover)) && areProvenReasons(request, prover);

/** Bound to the request, so that a vote on one is none on another. */
export const voteProof = (
  { person, vote, rules, entry, at }: Omit<ApprovalVote, "proof">,
  { id, nonce, intentDigest }: ApprovalRequest,
  prover: Prover,
): string => proofOf("vote", [id, nonce, intentDigest, person, vote, rules, entry, msOf(at)], prover);

export const isProvenVote = (
  { proof, ...vote }: ApprovalVote,
  request: ApprovalRequest,
  prover: Prover,
): boolean => isSameProof(proof, voteProof(vote, request, prover));
