import type { PolicyJson } from "./cedar.ts";
import { adminGroups } from "./cedar-schema.ts";
import type { EntityName } from "./reads.ts";
import { entityOf } from "./reads.ts";

/** An entity with everything it is in. */
export interface Placed {
  readonly self: EntityName;
  readonly ancestors: readonly EntityName[];
}

/** Whether the constraint of a policy's scope holds. Must say what Cedar says: a property test compares them. */
export function scopeHolds(
  constraint: PolicyJson["principal"] | PolicyJson["resource"],
  placed: Placed,
): boolean {
  switch (constraint.op) {
    case "All":
      return true;
    case "==":
      return "entity" in constraint && same(constraint.entity, placed.self);
    case "in":
      return "entity" in constraint && isIn(constraint.entity, placed);
    case "is": {
      if (constraint.entity_type !== placed.self.type) return false;
      if (constraint.in === undefined) return true;
      return "entity" in constraint.in && isIn(constraint.in.entity, placed);
    }
  }
}

export function actionHolds(constraint: PolicyJson["action"], action: string): boolean {
  if (constraint.op === "All") return true;
  const named: readonly unknown[] =
    "entities" in constraint ? constraint.entities : "entity" in constraint ? [constraint.entity] : [];
  const self = constraint.op === "==" ? [action] : [action, ...adminGroups(action)];
  return named.some((entity) => {
    const found = entityOf(entity);
    return found !== null && found.type === "Action" && self.includes(found.id);
  });
}

const same = (given: unknown, entity: EntityName): boolean => {
  const found = entityOf(given);
  return found !== null && found.type === entity.type && found.id === entity.id;
};

const isIn = (given: unknown, placed: Placed): boolean =>
  same(given, placed.self) || placed.ancestors.some((ancestor) => same(given, ancestor));
