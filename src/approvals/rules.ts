import type { Result, StoreMs } from "../base/index.ts";
import { elapsedMs, ok, refuse } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { ApprovalRule } from "../policy/index.ts";
import type { ApprovalRequest, ApprovalVote } from "./request.ts";

/** How one rule of a request stands. */
export interface RuleStanding {
  readonly rule: ApprovalRule;
  /** Who is asked by now: its group, and those it has escalated to. */
  readonly groups: readonly string[];
  readonly approvals: number;
}

/** All rules of a request with how far they have come; the request is approved when none is left `open`. */
export function openRules(
  request: Pick<ApprovalRequest, "rules" | "requestedAt">,
  votes: readonly ApprovalVote[],
  now: StoreMs,
): { readonly standing: readonly RuleStanding[]; readonly isSatisfied: boolean } {
  const standing = request.rules.map((rule, place) => {
    const approvals = votes.filter(({ vote, rules }) => vote === "approve" && rules.includes(place)).length;
    return { rule, groups: groupsAsked(rule, request.requestedAt, now), approvals };
  });
  return { standing, isSatisfied: standing.every(({ rule, approvals }) => approvals >= rule.quorum) };
}

/** Groups are asked one after the other, and whoever was asked stays asked. */
const groupsAsked = (rule: ApprovalRule, requestedAt: StoreMs, now: StoreMs): readonly string[] => [
  rule.group,
  ...rule.escalation
    .filter(({ afterMs }) => elapsedMs(now, requestedAt) >= afterMs)
    .map(({ group }) => group),
];

/**
 * Which rules of the request this person decides now, by their place: each for itself, because one rule may ask a group that another
 * asks only later, and may take one's own yes where another does not (`selfByDefault` where a rule does not say). Refused for whoever
 * decides none: agents and services, people who act through somebody else's hands, people of no group that is asked, and people who
 * stand behind the call themselves.
 */
export function mayDecide(
  actor: Principal,
  request: Pick<ApprovalRequest, "rules" | "requestedAt" | "principals">,
  now: StoreMs,
  selfByDefault: boolean,
): Result<readonly number[]> {
  if (actor.kind !== "person" || actor.chain.length > 0)
    return refuse({ code: "forbidden", detail: "only people decide, and only in their own name" });
  const standsBehind = request.principals.includes(actor.id);
  const decided: number[] = [];
  let ownRule: ApprovalRule | null = null;
  for (const [place, rule] of request.rules.entries()) {
    const isAsked = groupsAsked(rule, request.requestedAt, now).some((group) => actor.roles.includes(group));
    if (!isAsked) continue;
    if (standsBehind && !(rule.self ?? selfByDefault)) ownRule = rule;
    else decided.push(place);
  }
  if (decided.length > 0) return ok(decided);
  if (ownRule !== null) {
    return refuse({
      code: "forbidden",
      detail: `you stand behind this call yourself, and ${ownRule.policyId} wants somebody else`,
    });
  }
  const asked = request.rules.flatMap((rule) => groupsAsked(rule, request.requestedAt, now));
  return refuse({
    code: "forbidden",
    detail: `people of ${asked.join(" and ")} are asked, and you are not one of them`,
  });
}
