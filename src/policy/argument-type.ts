/**
 * What Cedar knows of a tool's arguments, read from its pinned JSON Schema. Types follow the schema, never a value: `integer` is
 * Long, `number` is decimal also for 5. What has no type here cannot be read by a policy; it does no harm while none does.
 */
export type ArgumentType =
  | { readonly kind: "long" }
  | { readonly kind: "decimal" }
  | { readonly kind: "string" }
  | { readonly kind: "boolean" }
  | { readonly kind: "set"; readonly element: ArgumentType }
  | { readonly kind: "record"; readonly attributes: ReadonlyMap<string, ArgumentAttribute> }
  /** Has no type, and why. */
  | { readonly kind: "none"; readonly because: string };

interface ArgumentAttribute {
  readonly type: ArgumentType;
  /** Always there: required and not nullable, for null is absent. */
  readonly required: boolean;
}

type Schema = Readonly<Record<string, unknown>>;

export const noArguments: ArgumentType = { kind: "record", attributes: new Map() };

/** Deeper values than this are not read by policies people can read. It also ends recursive `$ref`s. */
const depthMax = 12;
/** `$ref` to `$ref` to `$ref`: longer chains have no type. */
const referencesMax = 16;
/** All attributes of one schema together; a schema that unfolds to more (`$ref` fan-out) has no type beyond it. */
const attributesMax = 2_000;
/** These would be taken for entities or extension values in Cedar's JSON, or for nothing good in JavaScript. */
const reservedNames = new Set(["__entity", "__extn", "__expr", "__proto__"]);

export function argumentsType(inputSchema: Schema): ArgumentType {
  const reader = new SchemaReader(inputSchema);
  const type = reader.read(inputSchema, 0).type;
  return type.kind === "record" ? type : noArguments;
}

interface Read {
  readonly type: ArgumentType;
  readonly nullable: boolean;
}

const none = (because: string): Read => ({ type: { kind: "none", because }, nullable: false });

class SchemaReader {
  readonly #root: Schema;
  #attributes = 0;

  constructor(root: Schema) {
    this.#root = root;
  }

  read(given: unknown, depth: number): Read {
    if (depth > depthMax) return none(`is nested deeper than ${depthMax}`);
    const schema = this.#resolve(given);
    if (schema === null) return none("its schema says nothing of its type");
    const stated =
      schema["type"] ?? typeOfValues(schema) ?? (isSchema(schema["properties"]) ? "object" : null);
    // Beside a stated type, combinations only narrow; what they alone describe stays without a type.
    if (stated === null) return this.#combined(schema, depth);
    const names = (Array.isArray(stated) ? stated : [stated]).filter((name) => name !== "null");
    const nullable = Array.isArray(stated) && names.length < stated.length;
    if (names.length === 2 && names.includes("integer") && names.includes("number")) {
      return { type: { kind: "decimal" }, nullable };
    }
    if (names.length !== 1) return none("its schema allows several types");
    return { type: this.#named(names[0], schema, depth), nullable };
  }

  #combined(schema: Schema, depth: number): Read {
    const alternatives = schema["anyOf"] ?? schema["oneOf"];
    if (Array.isArray(alternatives)) return this.#oneOf(alternatives, depth);
    const all = schema["allOf"];
    if (Array.isArray(all) && all.length === 1) return this.read(all[0], depth + 1);
    return none("its schema says nothing of its type");
  }

  /** `anyOf [T, null]` is how optional fields are often written; anything richer has no single type. */
  #oneOf(alternatives: readonly unknown[], depth: number): Read {
    const others = alternatives.filter((each) => !isSchema(each) || each["type"] !== "null");
    if (others.length !== 1) return none("its schema allows several types");
    const only = this.read(others[0], depth + 1);
    return { type: only.type, nullable: only.nullable || others.length < alternatives.length };
  }

  #named(name: unknown, schema: Schema, depth: number): ArgumentType {
    switch (name) {
      case "integer":
        return { kind: "long" };
      case "number":
        return { kind: "decimal" };
      case "string":
        return { kind: "string" };
      case "boolean":
        return { kind: "boolean" };
      case "array":
        return this.#array(schema, depth);
      case "object":
        return this.#object(schema, depth);
      default:
        return { kind: "none", because: "its schema says nothing of its type" };
    }
  }

  #array(schema: Schema, depth: number): ArgumentType {
    if (schema["prefixItems"] !== undefined || !isSchema(schema["items"])) {
      return { kind: "none", because: "its schema does not give one type to all items" };
    }
    const element = this.read(schema["items"], depth + 1);
    if (element.type.kind === "none") return element.type;
    if (element.nullable) return { kind: "none", because: "its items may be null" };
    return { kind: "set", element: element.type };
  }

  #object(schema: Schema, depth: number): ArgumentType {
    const attributes = new Map<string, ArgumentAttribute>();
    const properties = schema["properties"];
    if (!isSchema(properties)) return { kind: "record", attributes };
    const required = Array.isArray(schema["required"]) ? schema["required"] : [];
    for (const [name, property] of Object.entries(properties)) {
      const read = this.#attribute(name, property, depth);
      attributes.set(name, { type: read.type, required: required.includes(name) && !read.nullable });
    }
    return { kind: "record", attributes };
  }

  #attribute(name: string, property: unknown, depth: number): Read {
    if (reservedNames.has(name)) return none("its name is reserved");
    if (++this.#attributes > attributesMax)
      return none(`the schema has more than ${attributesMax} attributes`);
    return this.read(property, depth + 1);
  }

  /** Follows `$ref` inside the same document. */
  #resolve(given: unknown): Schema | null {
    let schema = given;
    for (let hops = 0; isSchema(schema); hops++) {
      const reference = schema["$ref"];
      if (reference === undefined) return schema;
      if (typeof reference !== "string" || !reference.startsWith("#") || hops >= referencesMax) return null;
      schema = this.#at(reference.slice(1));
    }
    return null;
  }

  #at(pointer: string): unknown {
    if (pointer === "") return this.#root;
    if (!pointer.startsWith("/")) return null;
    let found: unknown = this.#root;
    for (const part of pointer.slice(1).split("/")) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      if (!isSchema(found) || !Object.hasOwn(found, key)) return null;
      found = found[key];
    }
    return found;
  }
}

/** `enum` and `const` without a `type`: the type all their values share. */
function typeOfValues(schema: Schema): string | readonly string[] | null {
  const values = Array.isArray(schema["enum"]) ? schema["enum"] : "const" in schema ? [schema["const"]] : [];
  if (values.length === 0) return null;
  const names = new Set(values.map((value) => (value === null ? "null" : typeof value)));
  if (names.has("number") && values.every((value) => typeof value !== "number" || Number.isInteger(value))) {
    names.delete("number");
    return [...names, "integer"];
  }
  return [...names];
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
