import { noArguments } from "./argument-type.ts";
import type { Catalog, KnownTool } from "./catalog.ts";
import type { PolicyJson } from "./cedar.ts";
import { validatePolicies } from "./cedar.ts";
import { adminGroups, cedarSchema } from "./cedar-schema.ts";
import { everyExpression, view } from "./expression.ts";
import type { ResolvedPolicy } from "./names.ts";
import { nearest } from "./nearest.ts";
import type { PolicyProblem } from "./problem.ts";
import { entityOf, readsOf, scopeEntities } from "./reads.ts";
import type { ParsedPolicy } from "./source.ts";
import { at } from "./source.ts";

export interface ValidatedPolicy {
  readonly parsed: ParsedPolicy;
  readonly json: PolicyJson;
}

/** Against a schema in which only this tool's arguments are typed. A policy that fits but can never match is a warning. */
export function validateForTool(
  policies: readonly ValidatedPolicy[],
  tool: KnownTool,
  adminActions: ReadonlySet<string>,
): readonly PolicyProblem[] {
  const { context } = readsOf(policies.map(({ json }) => json));
  const schema = cedarSchema(tool.argumentsType(), context, adminActions);
  return validate(policies, schema, "warning").map((problem) => ({ ...problem, tool: tool.id }));
}

/** What can be said without any tool. A policy that can never match is an error here: it looks like a rule and is none. */
export function validateWithoutTools(
  policies: readonly ValidatedPolicy[],
  adminActions: ReadonlySet<string>,
): readonly PolicyProblem[] {
  if (policies.length === 0) return [];
  return validate(policies, cedarSchema(noArguments, null, adminActions), "error");
}

/**
 * The admin actions to validate with: every one the policies name, and of the product's others one for each set of groups the
 * policies name it by. They differ in nothing else, so what is true of one is true of all its like; the product has some eighty,
 * and each costs as much as calls of tools do.
 */
export function adminActionsOf(policies: readonly ResolvedPolicy[], catalog: Catalog): ReadonlySet<string> {
  const named = new Set(policies.flatMap(({ json }) => actionsNamed(json)));
  const chosen = new Map<string, string>();
  for (const action of catalog.adminActions ?? []) {
    const told = named.has(action) ? [action] : adminGroups(action).filter((group) => named.has(group));
    const key = told.join(" ");
    if (!chosen.has(key)) chosen.set(key, action);
  }
  return new Set([...chosen.values(), ...[...named].filter((id) => id.startsWith("admin."))]);
}

/** Actions that do not exist, each with the one that was probably meant. */
export function unknownActions(policy: ResolvedPolicy, catalog: Catalog): readonly PolicyProblem[] {
  const known = new Set(["call", "read", "get", "complete", "subscribe", "admin"]);
  for (const action of catalog.adminActions ?? [])
    for (const name of [action, ...adminGroups(action)]) known.add(name);
  return actionsNamed(policy.json)
    .filter((id) => !known.has(id) && !(catalog.adminActions === null && wellFormedAdmin.test(id)))
    .map((id) => {
      const close = nearest(id, known);
      return at(
        policy.parsed,
        `there is no action "${id}"`,
        close === null
          ? "call, read, get, complete, subscribe, or admin.<noun>.<verb>"
          : `did you mean "${close}"?`,
      );
    });
}

const wellFormedAdmin = /^admin\.[a-z][a-z0-9-]{0,40}(?:\.[a-z][a-z0-9-]{0,40})?$/;

function actionsNamed(json: PolicyJson): readonly string[] {
  const entities = [...scopeEntities(json)];
  for (const clause of json.conditions) {
    for (const expr of everyExpression(clause.body)) {
      const { shape } = view(expr);
      const entity = shape.kind === "literal" ? entityOf(shape.value) : null;
      if (entity !== null) entities.push(entity);
    }
  }
  return entities.filter(({ type }) => type === "Action").map(({ id }) => id);
}

function validate(
  policies: readonly ValidatedPolicy[],
  schema: ReturnType<typeof cedarSchema>,
  impossible: PolicyProblem["severity"],
): readonly PolicyProblem[] {
  const answer = validatePolicies(
    schema,
    Object.fromEntries(policies.map(({ json }, place) => [String(place), { ...json, annotations: {} }])),
  );
  if (!answer.ok) {
    const message = answer.refusal.map((problem) => problem.message).join("; ");
    return policies.map(({ parsed }) => at(parsed, `cannot be validated: ${message}`, null));
  }
  const { errors, warnings } = answer.value;
  const wrong = new Set(errors.map(({ policy }) => policy));
  // That a policy with a type error is also impossible says nothing more; one sentence is enough for the dead, too.
  const dead = warnings.filter(
    ({ policy }, place) =>
      !wrong.has(policy) && warnings.findIndex((other) => other.policy === policy) === place,
  );
  const found: PolicyProblem[] = [];
  for (const [severity, findings] of [["error", errors] as const, [impossible, dead] as const]) {
    for (const { policy, message, help } of findings) {
      const parsed = policies[Number(policy)]?.parsed;
      if (parsed === undefined) continue;
      found.push(at(parsed, withoutName(message), hintFor(message, help), severity));
    }
  }
  return found;
}

/** For what people meet most: a policy over several tools that reads an argument only some of them have. */
function hintFor(message: string, help: string | null): string | null {
  const missing = /^(?:for policy `[^`]*`, )?attribute `args\.([^`]*)`.* not found/.exec(message)?.[1];
  if (missing !== undefined)
    return `no such argument there; test for it first: context.args has ${missing} && …`;
  return help === null ? null : withoutName(help);
}

/** The module begins with "for policy `3`, ", which is our numbering and means nothing outside. */
const withoutName = (message: string): string => message.replace(/^for policy `[^`]*`, /, "");
