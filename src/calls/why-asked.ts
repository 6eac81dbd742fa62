import type { ApprovalRequest } from "../approvals/index.ts";
import { reasonOf, visibleText } from "../approvals/index.ts";
import type { House } from "./house.ts";
import type { Approved } from "./stages.ts";

/** What each rule's policy says about itself, by the rules' places; null = none says anything. */
export function reasonsFor({ rules, decision }: Approved): ApprovalRequest["reasons"] {
  const described = new Map(decision.reasons.map(({ id, description }) => [id, description]));
  const reasons = rules.map(({ policyId }) => reasonOf(described.get(policyId) ?? null));
  return reasons.every((reason) => reason === null) ? null : reasons;
}

/** A sentence for whoever waits, with a space in front; empty = no policy says why. */
export async function whyAsked(request: ApprovalRequest, house: Pick<House, "approvals">): Promise<string> {
  const reasons = (await house.approvals.reasonsOf(request)).filter((reason) => reason !== null);
  if (reasons.length === 0) return "";
  const said = [...new Set(reasons)].map((reason) => `"${visibleText(reason)}"`);
  return ` Why people are asked: ${said.join(" and ")}.`;
}
