import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { CatalogInput } from "./catalog.ts";
import { Catalog } from "./catalog.ts";
import { readsArguments } from "./partition.ts";
import { PolicySet } from "./policy-set.ts";
import type { PolicyProblem } from "./problem.ts";
import { actionHolds } from "./scope.ts";
import type { ParsedPolicy, PolicyFile } from "./source.ts";
import { at, parsePolicyFiles } from "./source.ts";
import { unknownActions, validateWithoutTools } from "./validation.ts";

export interface PolicyInput {
  readonly files: readonly PolicyFile[];
  readonly catalog: CatalogInput;
  /** Annotations of permits that some room carries out; absent = any. Others are refused, with the nearest name. */
  readonly obligations?: readonly string[];
  /**
   * What to do where a policy does not fit a known tool's schema.
   *  refuse  the set (default): someone is writing policies and wants to hear it
   *  deny    calls of that tool, naming the policy: the set was accepted before, and a server's new schema must not undo it
   */
  readonly toolProblems?: "refuse" | "deny";
}

/** Text in, compiled set out; or every problem at once. Warnings do not refuse: they are on the set. */
export function compilePolicies(input: PolicyInput): Result<PolicySet, readonly PolicyProblem[]> {
  const parsed = parsePolicyFiles(input.files, input.obligations ?? null);
  if (!parsed.ok) return parsed;
  const set = new PolicySet(parsed.value, new Catalog(input.catalog, null));
  const unknown = set.resolved.flatMap((policy) => unknownActions(policy, set.catalog));
  const problems = [...set.errors, ...unknown];
  if (input.obligations === undefined) problems.push(...carriedOutByNobody(parsed.value));
  if (!hasError(problems)) problems.push(...checkTypes(set));
  if (!hasError(problems) && input.toolProblems !== "deny") {
    problems.push(...summarised(set.toolProblems(), set));
  }
  if (hasError(problems)) return refuse([...problems, ...set.warnings]);
  set.warn(problems);
  return ok(set);
}

const hasError = (problems: readonly PolicyProblem[]): boolean =>
  problems.some(({ severity }) => severity === "error");

/**
 * One warning per name, at the first policy that has it. Whoever wrote `@redact("email")` may believe that e-mail addresses are kept
 * back now, and a ticket's number is an annotation too: so it is told, and not refused.
 */
function carriedOutByNobody(policies: readonly ParsedPolicy[]): readonly PolicyProblem[] {
  const first = new Map<string, ParsedPolicy>();
  for (const policy of policies)
    for (const [name] of policy.obligations) if (!first.has(name)) first.set(name, policy);
  return [...first].map(([name, policy]) =>
    at(
      policy,
      `nothing carries out @${name}`,
      "it stands in decisions for people to read, no more",
      "warning",
    ),
  );
}

/** Policies that read arguments of calls are typed by each tool; all others once, here. */
function checkTypes(set: PolicySet): readonly PolicyProblem[] {
  const general = set.resolved.filter(
    ({ json }) => !(readsArguments(json) && actionHolds(json.action, "call")),
  );
  return validateWithoutTools(general, set.adminActions);
}

/**
 * One problem per policy and message, however many tools show it. That a policy cannot match is only said when it cannot for
 * any tool it is about.
 */
function summarised(problems: readonly PolicyProblem[], set: PolicySet): readonly PolicyProblem[] {
  const groups = Map.groupBy(
    problems,
    ({ policy, message, severity }) => `${severity}\n${policy}\n${message}`,
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const tools = new Set(group.map(({ tool }) => tool));
    if (first.severity === "warning" && tools.size < toolsUnder(first.policy, set)) return [];
    const others = tools.size > 1 ? ` and ${tools.size - 1} other tools` : "";
    return [{ ...first, message: `${first.message} [tool ${first.tool}${others}]` }];
  });
}

function toolsUnder(policy: string | null, set: PolicySet): number {
  const tenants = [...set.catalog.tenants];
  return [...set.catalog.tools.keys()].filter(
    (id) =>
      set.hasToFit(policy, id) &&
      tenants.some((tenant) =>
        set
          .partition("call", { type: "Tool", id }, tenant)
          .members.some(({ parsed }) => parsed.id === policy),
      ),
  ).length;
}
