import { entityOf } from "./reads.ts";
import type { PolicySet } from "./policy-set.ts";

/**
 * Whether some permit names administrative acts, or no act in particular: what can be said without knowing who will ask. A set
 * without such a permit locks every administrator out.
 */
export function permitsAdministration({ policies }: PolicySet): boolean {
  return policies.some(({ json: { effect, action } }) => {
    if (effect !== "permit") return false;
    if (action.op === "All") return true;
    const named: readonly unknown[] =
      "entities" in action ? action.entities : "entity" in action ? [action.entity] : [];
    return named.some((entity) => /^admin(?:\.|$)/.test(entityOf(entity)?.id ?? ""));
  });
}
