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
  const standing = request.rules.map((rule) => {
    const approvals = votes.filter(({ vote, groups }) => vote === "approve" && counts(groups, rule)).length;
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
 * Which groups of the request this person speaks for now. Refused for whoever may not decide: agents and services, people who act
 * through somebody else's hands, people of no group that is asked, and people who stand behind the call themselves, unless every
 * rule that they could decide says that this counts (`selfByDefault` where a rule does not say).
 */
export function mayDecide(
  actor: Principal,
  request: Pick<ApprovalRequest, "rules" | "requestedAt" | "principals">,
  now: StoreMs,
  selfByDefault: boolean,
): Result<readonly string[]> {
  if (actor.kind !== "person" || actor.chain.length > 0)
    return refuse({ code: "forbidden", detail: "only people decide, and only in their own name" });
  const standsBehind = request.principals.includes(actor.id);
  const groups = new Set<string>();
  let ownRule: ApprovalRule | null = null;
  for (const rule of request.rules) {
    const held = groupsAsked(rule, request.requestedAt, now).filter((group) => actor.roles.includes(group));
    if (held.length === 0) continue;
    if (standsBehind && !(rule.self ?? selfByDefault)) ownRule = rule;
    else for (const group of held) groups.add(group);
  }
  if (groups.size > 0) return ok([...groups]);
  if (ownRule !== null) {
    return refuse({
      code: "forbidden",
      detail: `you stand behind this call yourself, and ${ownRule.policyId} wants somebody else`,
    });
  }
  const asked = request.rules.flatMap((rule) => groupsAsked(rule, request.requestedAt, now));
  return refuse({ code: "forbidden", detail: `${asked.join(" and ")} are asked, and you are neither` });
}

const counts = (groups: readonly string[], rule: ApprovalRule): boolean =>
  [rule.group, ...rule.escalation.map(({ group }) => group)].some((group) => groups.includes(group));
