import type { Write } from "../store/index.ts";
import { update } from "../store/index.ts";
import type { Announcing } from "./announcement.ts";
import { decidedAnnouncements } from "./announcement.ts";
import type { ApprovalRequest, ApprovalState } from "./request.ts";
import { approvalTable } from "./tables.ts";

/** Single use: goes into the transaction that makes the call's intent durable. Fails when it was used, or ended otherwise. */
export const consume = (request: ApprovalRequest): Write => ended(request, "used");

/** The call is not the one that was asked about any more, or policy no longer asks. */
export const makeVoid = (request: ApprovalRequest, announcing: Announcing): readonly Write[] => [
  ended(request, "void"),
  ...decidedAnnouncements(request, "void", announcing),
];

export const expire = (request: ApprovalRequest, announcing: Announcing): readonly Write[] => [
  ended(request, "expired"),
  ...decidedAnnouncements(request, "expired", announcing),
];

const ended = ({ id, state, version, intentDigest }: ApprovalRequest, to: ApprovalState): Write =>
  update(approvalTable, { id }, { state: to, version: version + 1 }, { state, version, intentDigest });
