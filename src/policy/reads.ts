import type { Expr, PolicyJson } from "./cedar.ts";
import { view } from "./expression.ts";

/**
 * Which parts of the context some policies read, as a tree: `whole` means everything from here down. A node that is neither
 * whole nor has children is only asked for with `has`.
 */
export interface ContextReads {
  readonly whole: boolean;
  readonly children: ReadonlyMap<string, ContextReads>;
}

/** What a policy looks at beyond its scope. Decides what a question has to carry. */
export interface Reads {
  /** null = reads no context. */
  readonly context: ContextReads | null;
  /** Whether an attribute of an entity is read. */
  readonly entityAttributes: boolean;
  /** Types and ids written in the policy, as `Type::id`: the only ancestors that can matter … */
  readonly entities: ReadonlySet<string>;
  /** … unless it compares with a computed ancestor. */
  readonly computedAncestors: boolean;
}

export function readsOf(policies: readonly PolicyJson[]): Reads {
  const collector = new Collector();
  for (const policy of policies) {
    collector.scope(policy);
    for (const clause of policy.conditions) collector.visit(clause.body);
  }
  return collector.result();
}

/** The reads below one key, or null when nothing there is read. */
export function readsBelow(reads: ContextReads | null, key: string): ContextReads | null {
  if (reads === null) return null;
  return reads.whole ? reads : (reads.children.get(key) ?? null);
}

/** `context.a.b` as ["a", "b"]; null for anything else. */
export function contextPath(expr: Expr): readonly string[] | null {
  const { shape, operands } = view(expr);
  if (shape.kind === "variable") return shape.name === "context" ? [] : null;
  if (shape.kind !== "attribute" || operands[0] === undefined) return null;
  const left = contextPath(operands[0]);
  return left === null ? null : [...left, shape.attr];
}

interface Growing {
  whole: boolean;
  readonly children: Map<string, Growing>;
}

const nothing = (): Growing => ({ whole: false, children: new Map() });

class Collector {
  readonly #root = nothing();
  readonly #entities = new Set<string>();
  #readsContext = false;
  #entityAttributes = false;
  #computedAncestors = false;

  scope(policy: PolicyJson): void {
    for (const entity of scopeEntities(policy)) this.#entities.add(`${entity.type}::${entity.id}`);
  }

  visit(expr: Expr): void {
    const { shape, operands } = view(expr);
    const path = contextPath(expr);
    if (path !== null) {
      this.#reach(path).whole = true;
      return;
    }
    const left = operands[0];
    if (shape.kind === "has" && left !== undefined) {
      const base = contextPath(left);
      if (base !== null) {
        this.#reach([...base, ...shape.attrs]);
        return;
      }
      this.#entityAttributes = true;
    }
    if (shape.kind === "attribute") this.#entityAttributes = true;
    if (shape.kind === "literal") this.#literal(shape.value);
    if (shape.kind === "operator" && (shape.name === "in" || shape.name === "is")) {
      const ancestor = operands[1];
      if (ancestor !== undefined && !isLiteral(ancestor)) this.#computedAncestors = true;
    }
    for (const operand of operands) this.visit(operand);
  }

  result(): Reads {
    return {
      context: this.#readsContext ? this.#root : null,
      entityAttributes: this.#entityAttributes,
      entities: this.#entities,
      computedAncestors: this.#computedAncestors,
    };
  }

  #reach(path: readonly string[]): Growing {
    this.#readsContext = true;
    let node = this.#root;
    for (const key of path) {
      let child = node.children.get(key);
      if (child === undefined) node.children.set(key, (child = nothing()));
      node = child;
    }
    return node;
  }

  #literal(value: unknown): void {
    const entity = entityOf(value);
    if (entity !== null) this.#entities.add(`${entity.type}::${entity.id}`);
  }
}

function isLiteral(expr: Expr): boolean {
  const { shape, operands } = view(expr);
  return shape.kind === "literal" || (shape.kind === "set" && operands.every(isLiteral));
}

export interface EntityName {
  readonly type: string;
  readonly id: string;
}

/** The entity in `{__entity: {type, id}}` or `{type, id}`, which Cedar's JSON form uses alike. */
export function entityOf(value: unknown): EntityName | null {
  if (typeof value !== "object" || value === null) return null;
  const inner: object =
    "__entity" in value && typeof value.__entity === "object" ? (value.__entity ?? {}) : value;
  if (!("type" in inner) || !("id" in inner)) return null;
  const { type, id } = inner;
  return typeof type === "string" && typeof id === "string" ? { type, id } : null;
}

export function scopeEntities(policy: PolicyJson): readonly EntityName[] {
  const found: unknown[] = [];
  for (const constraint of [policy.principal, policy.action, policy.resource]) {
    if ("entity" in constraint) found.push(constraint.entity);
    if ("entities" in constraint) found.push(...constraint.entities);
    if ("in" in constraint && constraint.in !== undefined && "entity" in constraint.in)
      found.push(constraint.in.entity);
  }
  return found.map(entityOf).filter((entity) => entity !== null);
}
