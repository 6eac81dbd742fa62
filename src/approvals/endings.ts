import type { Write } from "../store/index.ts";
import { update } from "../store/index.ts";
import type { ApprovalRequest, ApprovalState } from "./request.ts";
import { approvalTable } from "./tables.ts";

/** Single use: goes into the transaction that makes the call's intent durable. Fails when it was used, or ended otherwise. */
export const consume = (request: ApprovalRequest): Write => ended(request, "used");

/** The call is not the one that was asked about any more, or policy no longer asks. */
export const makeVoid = (request: ApprovalRequest): Write => ended(request, "void");

export const expire = (request: ApprovalRequest): Write => ended(request, "expired");

const ended = ({ id, state, version, intentDigest }: ApprovalRequest, to: ApprovalState): Write =>
  update(approvalTable, { id }, { state: to, version: version + 1 }, { state, version, intentDigest });
