type Schema = Readonly<Record<string, unknown>>;

/** What a check against a schema can cost: so many steps for each value and character of what is checked, or endlessly many. */
export interface SchemaCost {
  /** Parts of the schema that are held against one value at most, with its references unfolded. */
  readonly perValue: number;
  /** Items are held against each other, too. */
  readonly isQuadratic: boolean;
}

/** RE2 takes some tens of steps for each character. */
const patternSteps = 50;

/**
 * Errs towards more. A schema that leads back to itself costs endlessly much: with two ways back, a value of sixty levels is looked at
 * 2^60 times.
 */
export function schemaCost(root: Schema): SchemaCost {
  const known = new Map<object, number>();
  let isQuadratic = false;

  const unfolded = (part: unknown): number => {
    if (typeof part !== "object" || part === null) return 1;
    const before = known.get(part);
    if (before !== undefined) return before;
    known.set(part, Infinity); // as long as we are inside of it: who comes back here goes in a circle
    let steps = 1;
    for (const [key, value] of Object.entries(part)) steps += stepsOf(key, value, part) + unfolded(value);
    known.set(part, steps);
    return steps;
  };
  const stepsOf = (key: string, value: unknown, within: object): number => {
    switch (key) {
      case "uniqueItems":
        isQuadratic ||= value === true;
        return 0;
      case "pattern":
        return patternSteps;
      case "patternProperties":
        return typeof value === "object" && value !== null ? patternSteps * Object.keys(value).length : 0;
      case "$ref":
        return typeof value === "string" ? unfolded(partAt(root, value)) : 0;
      // Where these lead to is for the compiler to know.
      case "$dynamicRef":
      case "$recursiveRef":
        return Infinity;
      case "$id":
        return typeof value === "string" && within !== root ? Infinity : 0;
      default:
        return 0;
    }
  };

  try {
    return { perValue: unfolded(root), isQuadratic };
  } catch {
    return { perValue: Infinity, isQuadratic: true }; // a chain of references longer than the stack
  }
}

/** RFC 6901 in a fragment. What is found by another kind of name counts as the whole schema, which is in work: a circle. */
function partAt(root: Schema, reference: string): unknown {
  if (!reference.startsWith("#/")) return root;
  let found: unknown = root;
  for (const part of reference.slice(2).split("/")) {
    const name = decodedPart(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name)) return root;
    found = (found as Schema)[name];
  }
  return found;
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Values and characters of a JSON value, keys included; from `max` on it is not counted any further. */
export function weightOf(value: unknown, max: number): number {
  const open: unknown[] = [value];
  let weight = 0;
  while (open.length > 0 && weight < max) {
    const next = open.pop();
    weight++;
    if (typeof next === "string") weight += next.length;
    else if (Array.isArray(next)) {
      for (const item of next) open.push(item);
    } else if (typeof next === "object" && next !== null) {
      for (const [key, item] of Object.entries(next)) {
        weight += key.length;
        open.push(item);
      }
    }
  }
  return weight;
}
