import { isDeepStrictEqual } from "node:util";
import type { ApprovalRequest } from "../approvals/index.ts";
import { askApproval } from "./ask-approval.ts";
import { awaitDecision } from "./await-decision.ts";
import { endorsedRules } from "./endorsed.ts";
import { endPending } from "./end-pending.ts";
import type { House } from "./house.ts";
import { takeOverIdentical } from "./identical.ts";
import type { Approved, SentBefore } from "./stages.ts";
import { Stop, refused } from "./station.ts";

/** Where the call stands with the people who are asked: asked anew, still asked, or answered. */
export async function byPeople(call: Approved, house: House): Promise<Approved | Stop> {
  const { open, by } = await endorsedRules(call, house);
  Object.assign(call, { rules: open, endorsed: by });
  if (open.length === 0) return call;
  if (call.sentBefore !== null) return approvedFirst(call, call.sentBefore, house);
  const isLaterRound = call.waiting === null ? call.returns !== null : call.waiting.state === "waiting";
  if (isLaterRound) return approvedBefore(call, house);
  if (call.waiting === null && call.repeat === null) {
    const stop = await takeOverIdentical(call, house);
    if (stop !== null) return stop;
  }
  if (call.waiting === null) return askApproval(call, null, house);
  const request = await house.approvals.ofCall(call.id);
  return request === null ? askApproval(call, null, house) : follow(call, request, house);
}

async function follow(call: Approved, request: ApprovalRequest, house: House): Promise<Approved | Stop> {
  switch (request.state) {
    case "pending":
    case "approved":
      return stands(call, request, house);
    case "denied":
      return endPending(call, request, "approval-denied", house);
    case "expired":
      return endPending(call, request, "approval-expired", house);
    case "void":
      return askApproval(call, request, house);
    case "used":
      return new Stop({ kind: "again" });
  }
}

async function stands(call: Approved, request: ApprovalRequest, house: House): Promise<Approved | Stop> {
  const now = await house.store.now();
  if (house.approvals.isOver(request, now)) return endPending(call, request, "approval-expired", house);
  const isSame = request.intentDigest === call.intentDigest && isDeepStrictEqual(request.rules, call.rules);
  if (!isSame) return askApproval(call, request, house);
  if (request.state === "pending") return awaitDecision(call, request, house);
  if (house.approvals.isGood(request, now)) return Object.assign(call, { approval: request });
  house.onTrouble(
    `letting call ${call.id} through`,
    new Error(`approval ${request.id} does not prove itself`),
  );
  return refused({ code: "approval-needed", detail: "the approval on record does not prove itself" });
}

/** A call that is sent again under its key has one effect, and one approval: what the first one consumed, if it is of the same. */
async function approvedFirst(
  call: Approved,
  { approval }: SentBefore,
  house: House,
): Promise<Approved | Stop> {
  const { tenant } = call.principal;
  const request =
    approval === null ? null : ((await house.approvals.standing(tenant, approval))?.request ?? null);
  if (request !== null && wasGivenFor(call, request, house))
    return Object.assign(call, { approval: request });
  const detail = "what decides about it has changed since it was sent first";
  return refused({ code: "approval-needed", detail });
}

/** One approval carries a call through all its rounds. One that policy has come to ask for in between cannot be had any more. */
async function approvedBefore(call: Approved, house: House): Promise<Approved | Stop> {
  const request = await house.approvals.ofCall(call.id);
  if (request !== null && wasGivenFor(call, request, house)) return call;
  return refused({
    code: "approval-needed",
    detail: "what decides about this call has changed since its last round; make it anew",
  });
}

const wasGivenFor = (call: Approved, request: ApprovalRequest, house: House): boolean =>
  request.intentDigest === call.intentDigest && house.approvals.wasGood(request);
