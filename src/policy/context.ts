import type { ArgumentType } from "./argument-type.ts";
import type { CedarValueJson, EntityJson, TypeAndId } from "./cedar.ts";
import type { Identity, Principal, PrincipalKind } from "../identity/index.ts";
import type { ContextReads, EntityName, Reads } from "./reads.ts";
import { readsBelow } from "./reads.ts";
import type { DecideRequest, RunContext } from "./request.ts";
import type { Unmappable } from "./values.ts";
import { mapRead } from "./values.ts";

/** Which Cedar type a kind of principal is. */
export const principalType = {
  agent: "Agent",
  person: "Person",
  service: "Service",
} as const satisfies Record<PrincipalKind, string>;

/** `context.args` and `context.run`, as far as they are read. What depends on the principal alone is not in here. */
export function requestContext(
  reads: ContextReads,
  args: ArgumentType,
  given: DecideRequest["context"],
  problems: Unmappable[],
): Record<string, CedarValueJson> {
  const context: Record<string, CedarValueJson> = {};
  const readsArgs = readsBelow(reads, "args");
  if (readsArgs !== null) {
    context["args"] = mapRead(args, given.args ?? {}, readsArgs, "context.args", problems) ?? {};
  }
  if (readsBelow(reads, "run") !== null && given.run !== undefined) context["run"] = runRecord(given.run);
  return context;
}

function runRecord(run: RunContext): CedarValueJson {
  const { name, owner, labels, tools } = run;
  const declared = tools === null ? {} : { tools: tools.map((id) => reference({ type: "Tool", id })) };
  return { name, owner, labels: [...labels], ...declared };
}

/**
 * `context.chain`: the whole path, the actor included, the same for every identity on it. Each is there under its id and its
 * name, so that `contains(Person::"alice")` works.
 */
export function chainRecord(principal: Principal): CedarValueJson {
  const path: readonly Identity[] = [principal, ...principal.chain];
  const of = (kind: PrincipalKind): CedarValueJson[] =>
    path.filter((each) => each.kind === kind).flatMap((each) => namesOf(each).map(reference));
  return {
    depth: principal.chain.length,
    agents: of("agent"),
    people: of("person"),
    services: of("service"),
  };
}

const reference = ({ type, id }: EntityName): CedarValueJson => ({ __entity: { type, id } });

/** By id, and by name unless that could be taken for an id. */
function namesOf(identity: Identity): readonly EntityName[] {
  const type = principalType[identity.kind];
  const byId: EntityName = { type, id: identity.id };
  return identity.name.includes("/") || identity.name === "" ? [byId] : [byId, { type, id: identity.name }];
}

/** Everything the principal is in: its name, its roles, its tenant. */
export function principalAncestors(identity: Identity, tenant: string): readonly EntityName[] {
  return [
    ...namesOf(identity).slice(1),
    ...identity.roles.map((id) => ({ type: "Role", id })),
    { type: "Tenant", id: tenant },
  ];
}

/**
 * The entity as Cedar needs it for these policies. Every ancestor and attribute costs a microsecond or more in the module, so
 * only those a policy mentions are sent; null = the policies can tell nothing from it.
 */
export function leanEntity(
  uid: TypeAndId,
  ancestors: readonly EntityName[],
  attributes: Record<string, CedarValueJson>,
  reads: Reads,
): EntityJson | null {
  const parents = reads.computedAncestors
    ? ancestors
    : ancestors.filter(({ type, id }) => reads.entities.has(`${type}::${id}`));
  if (parents.length === 0 && !reads.entityAttributes) return null;
  return {
    uid,
    attrs: reads.entityAttributes ? attributes : {},
    parents: parents.map(({ type, id }) => ({ type, id })),
  };
}
