import type { ResolvedPolicy } from "./names.ts";
import type { EntityName } from "./reads.ts";
import { entityOf } from "./reads.ts";
import type { Placed } from "./scope.ts";
import { actionHolds, scopeHolds } from "./scope.ts";

/**
 * Finds the policies whose scope can match an action on a resource: those that name the resource or something it is in, and
 * those that name nothing. All others cannot have a say, which is what makes a partition sound.
 */
export class ScopeIndex {
  readonly #global: number[] = [];
  readonly #byEntity = new Map<string, number[]>();
  readonly #policies: readonly ResolvedPolicy[];

  constructor(policies: readonly ResolvedPolicy[]) {
    this.#policies = policies;
    for (const [at, policy] of policies.entries()) {
      const named = namedResource(policy);
      if (named === null) this.#global.push(at);
      else {
        const key = keyOf(named);
        const there = this.#byEntity.get(key);
        if (there === undefined) this.#byEntity.set(key, [at]);
        else there.push(at);
      }
    }
  }

  /** Places in the list of policies, ascending. */
  matching(action: string, resource: Placed): readonly number[] {
    const candidates = [...this.#global];
    for (const entity of [resource.self, ...resource.ancestors]) {
      candidates.push(...(this.#byEntity.get(keyOf(entity)) ?? []));
    }
    return candidates
      .filter((at) => {
        const json = this.#policies[at]?.json;
        return json !== undefined && actionHolds(json.action, action) && scopeHolds(json.resource, resource);
      })
      .toSorted((a, b) => a - b);
  }

  /** Whether some policy's scope names exactly this. */
  names(entity: EntityName): boolean {
    return this.#byEntity.has(keyOf(entity));
  }
}

const keyOf = ({ type, id }: EntityName): string => `${type}::${id}`;

function namedResource({ json }: ResolvedPolicy): EntityName | null {
  const { resource } = json;
  if ("entity" in resource) return entityOf(resource.entity);
  if ("in" in resource && resource.in !== undefined && "entity" in resource.in)
    return entityOf(resource.in.entity);
  return null;
}
