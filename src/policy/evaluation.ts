import type { Identity, Principal } from "../identity/index.ts";
import type { CedarValueJson, EntityJson } from "./cedar.ts";
import { ask } from "./cedar.ts";
import { adminGroups } from "./cedar-schema.ts";
import { chainRecord, leanEntity, principalAncestors, principalType } from "./context.ts";
import type { ResolvedPolicy } from "./names.ts";
import type { Partition } from "./partition.ts";
import { readsBelow } from "./reads.ts";
import type { PlacedResource } from "./resources.ts";
import type { Placed } from "./scope.ts";
import { scopeHolds } from "./scope.ts";

/** Which policies of a partition are satisfied for one identity of the chain. */
export interface IdentityOutcome {
  readonly identity: Identity;
  readonly satisfied: readonly ResolvedPolicy[];
  /** Policies that could not be evaluated. */
  readonly failed: readonly { readonly policy: ResolvedPolicy | null; readonly message: string }[];
}

export interface Question {
  readonly principal: Principal;
  readonly action: string;
  readonly resource: PlacedResource;
  /** `args` and `run`, already mapped. */
  readonly context: Record<string, CedarValueJson>;
}

/**
 * What each identity on the chain meets, the actor first. A policy without conditions is settled by comparing its scope, which
 * costs nothing; Cedar is asked, once per identity, when a policy with conditions has the identity in its scope.
 */
export function evaluate(partition: Partition, question: Question): readonly IdentityOutcome[] {
  const { principal } = question;
  const around = lazily(() => surroundings(partition, question));
  const context = lazily(() => withChain(partition, question));
  return [principal, ...principal.chain].map((identity): IdentityOutcome => {
    const self = { type: principalType[identity.kind], id: identity.id };
    const placed = { self, ancestors: principalAncestors(identity, principal.tenant) };
    const inScope = partition.members.map(({ json }) => scopeHolds(json.principal, placed));
    const settled = partition.members.flatMap(({ json }, place) =>
      inScope[place] === true && json.conditions.length === 0 ? [place] : [],
    );
    const answer = partition.conditional.some((place) => inScope[place])
      ? askCedar(partition, question, identity, placed, context(), around())
      : { satisfied: [], failed: [] };
    const places = [...settled, ...answer.satisfied].toSorted((a, b) => a - b);
    const satisfied = places.flatMap((place) => partition.members[place] ?? []);
    return { identity, satisfied, failed: answer.failed };
  });
}

function askCedar(
  partition: Partition,
  question: Question,
  identity: Identity,
  { self, ancestors }: Placed,
  context: Record<string, CedarValueJson>,
  around: readonly EntityJson[],
): { readonly satisfied: readonly number[]; readonly failed: IdentityOutcome["failed"] } {
  const failure = (message: string) => ({ satisfied: [], failed: [{ policy: null, message }] });
  const name = partition.preparsed();
  if (!name.ok) return failure(`the partition cannot be loaded: ${name.refusal}`);
  const entity = leanEntity(
    { ...self },
    ancestors,
    { id: identity.id, name: identity.name },
    partition.reads,
  );
  const answer = ask(name.value, {
    principal: { ...self },
    action: { type: "Action", id: question.action },
    resource: { ...question.resource.self },
    context,
    entities: entity === null ? [...around] : [entity, ...around],
  });
  if (!answer.ok) return failure(answer.refusal.map((problem) => problem.message).join("; "));
  return {
    satisfied: answer.value.satisfied.map(Number),
    failed: answer.value.errors
      .toSorted((a, b) => Number(a.policy) - Number(b.policy)) // the module's order differs from call to call
      .map(({ policy, message }) => ({ policy: partition.members[Number(policy)] ?? null, message })),
  };
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

function withChain(partition: Partition, question: Question): Record<string, CedarValueJson> {
  if (readsBelow(partition.reads.context, "chain") === null) return question.context;
  return { ...question.context, chain: chainRecord(question.principal) };
}

/** What is asked about besides the principal: the resource, its server, and the groups of an administrative action. */
function surroundings(
  partition: Partition,
  { action, resource, principal }: Question,
): readonly EntityJson[] {
  const { reads } = partition;
  const entities: (EntityJson | null)[] = [
    leanEntity({ ...resource.self }, resource.ancestors, resource.attributes, reads),
  ];
  if (resource.server !== null) {
    const { id, attributes } = resource.server;
    const inTenant = [{ type: "Tenant", id: principal.tenant }];
    entities.push(leanEntity({ type: "Server", id }, inTenant, attributes, reads));
  }
  const groups = adminGroups(action).map((id) => ({ type: "Action", id }));
  if (groups.length > 0) {
    entities.push(
      leanEntity({ type: "Action", id: action }, groups, {}, { ...reads, entityAttributes: false }),
    );
  }
  return entities.filter((entity) => entity !== null);
}
