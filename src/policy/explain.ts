import type { Sha256Hex } from "../base/index.ts";
import type { Identity } from "../identity/index.ts";
import type { Decision } from "./decision.ts";
import { principalAncestors, principalType } from "./context.ts";
import type { IdentityOutcome } from "./evaluation.ts";
import type { PolicySet, Trace } from "./policy-set.ts";
import type { ContextReads } from "./reads.ts";
import type { DecideRequest } from "./request.ts";
import { scopeHolds } from "./scope.ts";

/**
 * What a policy of the partition said about one identity.
 *  matched          its scope and its conditions hold
 *  condition-false  its scope holds, a condition does not
 *  other-principal  its scope is about someone else
 *  error            it could not be evaluated
 *  not-asked        nothing was evaluated: see the decision's errors
 */
export type PolicyFinding = "matched" | "condition-false" | "other-principal" | "error" | "not-asked";

export interface PolicyExplanation {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly effect: "permit" | "forbid";
  readonly approve: boolean;
  readonly text: string;
  /** Per identity on the chain, the actor first. */
  readonly findings: readonly { readonly principal: string; readonly finding: PolicyFinding }[];
}

/** Plain data, fit for JSON. */
export interface Explanation {
  readonly decision: Decision;
  readonly version: Sha256Hex;
  /** All policies that could have had a say. */
  readonly policies: readonly PolicyExplanation[];
  /** Paths of the context these policies read. */
  readonly reads: readonly string[];
}

export function explainDecision(set: PolicySet, request: DecideRequest): Explanation {
  const trace = set.trace(request);
  const { principal } = request;
  const identities: readonly Identity[] = [principal, ...principal.chain];
  const policies = trace.partition.members.map(({ parsed, json }): PolicyExplanation => {
    const findings = identities.map((identity, place) => {
      const self = { type: principalType[identity.kind], id: identity.id };
      const placed = { self, ancestors: principalAncestors(identity, principal.tenant) };
      const outcome = trace.outcomes[place];
      const inScope = scopeHolds(json.principal, placed);
      return { principal: identity.name, finding: findingOf(parsed.id, outcome, inScope) };
    });
    const { id, file, line, text, approval } = parsed;
    return { id, file, line, effect: json.effect, approve: approval !== null, text, findings };
  });
  return { decision: trace.decision, version: set.version, policies, reads: readPaths(trace) };
}

/** For a terminal. */
export function explanationText(explanation: Explanation): string {
  const { decision, policies, reads } = explanation;
  const lines = [`${decision.effect}: ${decision.why}`];
  for (const rule of decision.approvals) {
    lines.push(
      `  needs ${rule.quorum} of group ${rule.group} within ${rule.expiryMs / 60_000} min` +
        `${rule.self === true ? ", own approval counts" : ""} (${rule.policyId})`,
    );
  }
  for (const [name, values] of Object.entries(decision.obligations))
    lines.push(`  obliges ${name}: ${values.join(", ")}`);
  lines.push(reads.length === 0 ? "reads no context" : `reads ${reads.join(", ")}`);
  if (policies.length === 0) lines.push("no policy is about this; what no policy permits is denied");
  for (const { id, file, line, effect, approve, findings } of policies) {
    const said = findings.map(({ principal, finding }) => `${principal}: ${finding}`).join(", ");
    lines.push(`- ${effect}${approve ? " @approve" : ""} ${id} (${file}:${line}) ${said}`);
  }
  return lines.join("\n");
}

function findingOf(id: string, outcome: IdentityOutcome | undefined, inScope: boolean): PolicyFinding {
  if (outcome === undefined) return "not-asked";
  if (outcome.failed.some(({ policy }) => policy?.parsed.id === id)) return "error";
  if (outcome.satisfied.some(({ parsed }) => parsed.id === id)) return "matched";
  return inScope ? "condition-false" : "other-principal";
}

function readPaths({ partition }: Trace): readonly string[] {
  const paths: string[] = [];
  const walk = (reads: ContextReads, path: string): void => {
    if (reads.whole || reads.children.size === 0) paths.push(path);
    else for (const [key, below] of reads.children) walk(below, `${path}.${key}`);
  };
  if (partition.reads.context !== null) walk(partition.reads.context, "context");
  return paths.toSorted();
}
