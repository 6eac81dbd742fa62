/** What a JSON value may be made of at most. */
export interface ValueBounds {
  readonly depthMax: number;
  readonly valuesMax: number;
}

/**
 * Why this value is not plain JSON within the bounds, or null. It walks without recursion, so neither depth nor a cycle can
 * hurt it. A whole number beyond 2^53-1, a lone surrogate and `__proto__` are refused for what `parseStrictJson` refuses them:
 * two readers could see different things.
 */
export function jsonProblem(value: unknown, bounds: ValueBounds): string | null {
  let level: unknown[] = [value];
  let seen = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > bounds.depthMax) return `nested deeper than ${bounds.depthMax}`;
    seen += level.length;
    if (seen > bounds.valuesMax) return `more than ${bounds.valuesMax} values`;
    const next: unknown[] = [];
    for (const item of level) {
      const problem = leafProblem(item);
      if (problem !== null) return problem;
      if (Array.isArray(item)) {
        for (const child of item) next.push(child);
      } else if (typeof item === "object" && item !== null) {
        for (const [key, child] of Object.entries(item)) {
          if (key === "__proto__") return 'the key "__proto__" is not accepted';
          if (!key.isWellFormed()) return "a key contains a lone surrogate";
          // What JSON.stringify leaves out is absent for us too.
          if (child !== undefined) next.push(child);
        }
      }
      if (seen + next.length > bounds.valuesMax) return `more than ${bounds.valuesMax} values`;
    }
    level = next;
  }
  return null;
}

function leafProblem(item: unknown): string | null {
  switch (typeof item) {
    case "string":
      return item.isWellFormed() ? null : "a string contains a lone surrogate";
    case "number":
      if (!Number.isFinite(item)) return "a number is not finite";
      return Number.isInteger(item) && !Number.isSafeInteger(item) ? "a whole number is beyond 2^53-1" : null;
    case "boolean":
      return null;
    case "object": {
      if (item === null || Array.isArray(item)) return null;
      const prototype: unknown = Object.getPrototypeOf(item);
      return prototype === Object.prototype || prototype === null ? null : "an object is not plain JSON";
    }
    case "undefined":
    case "function":
    case "symbol":
    case "bigint":
      return "a value is not JSON";
  }
}

/** A frozen copy that shares nothing with the original. The value must have passed `jsonProblem`. */
export function frozenCopy<T>(value: T): T {
  return deepFreeze(JSON.parse(JSON.stringify(value)) as T);
}

/** Freezes what it is given and everything in it, and returns it. */
export function deepFreeze<T>(value: T): T {
  const open: unknown[] = [value];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    if (typeof item !== "object" || item === null || Object.isFrozen(item)) continue;
    Object.freeze(item);
    for (const child of Object.values(item)) if (child !== undefined) open.push(child);
  }
  return value;
}
