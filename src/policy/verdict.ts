import type { Sha256Hex } from "../base/index.ts";
import type { Identity } from "../identity/index.ts";
import type { ApprovalRule, DecidingPolicy, Decision } from "./decision.ts";
import type { IdentityOutcome } from "./evaluation.ts";
import type { ResolvedPolicy } from "./names.ts";

/** A denial before or instead of evaluation: the policies do not fit, or a value cannot be mapped. */
export function denied(
  why: string,
  errors: readonly string[],
  partition: Sha256Hex,
  reasons: readonly ResolvedPolicy[] = [],
): Decision {
  return {
    effect: "deny",
    reasons: reasons.map(deciding),
    why,
    errors,
    approvals: [],
    obligations: {},
    partition,
  };
}

/**
 * The decision along the chain: everyone on it must be allowed. In this order: an evaluation error denies, a matching plain
 * forbid denies, an identity without a matching permit denies; then matching forbids with @approve ask; otherwise it is allowed.
 */
export function verdict(outcomes: readonly IdentityOutcome[], partition: Sha256Hex): Decision {
  const failures = outcomes.flatMap(({ failed }) => failed);
  const forbids = distinct(outcomes.flatMap(({ satisfied }) => satisfied.filter(isForbid)));
  const plain = forbids.filter(({ parsed }) => parsed.approval === null);
  if (failures.length > 0) {
    const errors = [
      ...new Set(
        failures.map(({ policy, message }) =>
          policy === null ? message : `${policy.parsed.id}: ${message}`,
        ),
      ),
    ];
    const failed = failures.flatMap(({ policy }) => policy ?? []);
    return denied(
      `could not be evaluated: ${errors.join("; ")}`,
      errors,
      partition,
      distinct([...failed, ...plain]),
    );
  }
  if (plain.length > 0) return denied(`forbidden by ${names(plain)}`, [], partition, plain);
  const unpermitted = outcomes.find(({ satisfied }) => satisfied.every(isForbid));
  if (unpermitted !== undefined) {
    return denied(`no policy permits it for ${who(unpermitted.identity)}`, [], partition);
  }
  const permits = distinct(
    outcomes.flatMap(({ satisfied }) => satisfied.filter((policy) => !isForbid(policy))),
  );
  const needsApproval = forbids.length > 0;
  return {
    effect: needsApproval ? "approve" : "allow",
    reasons: [...forbids, ...permits].map(deciding),
    why: needsApproval ? `needs approval: ${names(forbids)}` : `permitted by ${names(permits)}`,
    errors: [],
    approvals: forbids.flatMap(approvalRule),
    obligations: obligationsOf(permits),
    partition,
  };
}

export const isForbid = (policy: ResolvedPolicy): boolean => policy.parsed.json.effect === "forbid";

const deciding = ({ parsed }: ResolvedPolicy): DecidingPolicy => ({
  id: parsed.id,
  text: parsed.text,
  description: parsed.description,
});

const who = ({ kind, name, id }: Identity): string => `${kind} ${name === "" ? id : name}`;

/** `no-deletes (Deleting needs a second pair of eyes)`: the id, and what the author says about it. */
const names = (policies: readonly ResolvedPolicy[]): string =>
  policies
    .map(({ parsed }) => (parsed.description === null ? parsed.id : `${parsed.id} (${parsed.description})`))
    .join(", ");

const distinct = (policies: readonly ResolvedPolicy[]): readonly ResolvedPolicy[] => [...new Set(policies)];

const approvalRule = ({ parsed }: ResolvedPolicy): readonly ApprovalRule[] =>
  parsed.approval === null ? [] : [{ policyId: parsed.id, ...parsed.approval }];

function obligationsOf(permits: readonly ResolvedPolicy[]): Readonly<Record<string, readonly string[]>> {
  const values = new Map<string, Set<string>>();
  for (const [name, value] of permits.flatMap(({ parsed }) => parsed.obligations)) {
    values.set(name, (values.get(name) ?? new Set()).add(value));
  }
  const sorted = [...values].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, given]) => [name, [...given].toSorted()]));
}
