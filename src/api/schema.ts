/** A JSON Schema (2020-12) as data: it validates, it documents, and `Shape` reads the type from it. */
export type Schema = Readonly<Record<string, unknown>>;

/**
 * The type of what fits a schema, for the part of JSON Schema that our own schemas use. What has been validated is cast to this
 * at the rim, so a handler and the API description cannot drift apart.
 */
export type Shape<S> = S extends { readonly enum: readonly (infer E)[] }
  ? E
  : S extends { readonly const: infer C }
    ? C
    : S extends { readonly oneOf: readonly (infer B)[] }
      ? B extends unknown
        ? Shape<B>
        : never
      : S extends { readonly type: infer T }
        ? OfType<S, T>
        : unknown;

type OfType<S, T> = T extends readonly (infer Each)[]
  ? Each extends unknown
    ? OfOne<S, Each>
    : never
  : OfOne<S, T>;

type OfOne<S, T> = T extends "string"
  ? string
  : T extends "integer" | "number"
    ? number
    : T extends "boolean"
      ? boolean
      : T extends "null"
        ? null
        : T extends "array"
          ? S extends { readonly items: infer I }
            ? readonly Shape<I>[]
            : readonly unknown[]
          : T extends "object"
            ? OfObject<S>
            : unknown;

type OfObject<S> = S extends { readonly properties: infer P }
  ? Flat<
      { readonly [K in keyof P as K extends RequiredOf<S> ? K : never]: Shape<P[K]> } & {
        readonly [K in keyof P as K extends RequiredOf<S> ? never : K]?: Shape<P[K]>;
      }
    >
  : S extends { readonly additionalProperties: infer V }
    ? V extends Schema
      ? Readonly<Record<string, Shape<V>>>
      : Readonly<Record<string, unknown>>
    : Readonly<Record<string, unknown>>;

type RequiredOf<S> = S extends { readonly required: readonly (infer R)[] } ? R : never;
type Flat<T> = { readonly [K in keyof T]: T[K] };

const names = new WeakMap<Schema, string>();

/** Gives a schema a name of its own in the API description; everywhere else it stays as it is. */
export function named<const S extends Schema>(name: string, schema: S): S {
  names.set(schema, name);
  return schema;
}

/** Null = it has none and is described where it is used. */
export const nameOf = (schema: Schema): string | null => names.get(schema) ?? null;

/** An object that has all of these members and no others. */
export const object = <const P extends Readonly<Record<string, Schema>>>(properties: P) =>
  ({
    type: "object",
    properties,
    required: Object.keys(properties) as (keyof P & string)[],
    additionalProperties: false,
  }) as const;

/** An object that has the members `required` names, may have the others, and has no further ones. */
export const objectWith = <
  const P extends Readonly<Record<string, Schema>>,
  const R extends readonly (keyof P & string)[],
>(
  required: R,
  properties: P,
) => ({ type: "object", properties, required, additionalProperties: false }) as const;

export const listOf = <const I extends Schema>(items: I, maxItems?: number) =>
  ({ type: "array", items, ...(maxItems === undefined ? {} : { maxItems }) }) as const;

/** By name; any name. */
export const mapOf = <const V extends Schema>(additionalProperties: V) =>
  ({ type: "object", additionalProperties }) as const;

export const text = { type: "string" } as const;
export const textOrNull = { type: ["string", "null"] } as const;
export const whole = { type: "integer" } as const;
export const flag = { type: "boolean" } as const;
export const anything = {} as const;
export const instant = { type: "string", format: "date-time" } as const;
export const instantOrNull = { type: ["string", "null"], format: "date-time" } as const;
export const digest = { type: "string", pattern: "^[0-9a-f]{64}$", description: "SHA-256, hex" } as const;

/** Where the proof of an act is fetched: `GET /receipts/{entry}`. */
export const receipt = named(
  "ReceiptReference",
  object({
    entry: { type: "string", description: "id of the ledger entry" },
    leaf: { type: "string", description: "SHA-256 of the leaf, base64" },
  }),
);

/** A page of a list; `next` null = there is no more. */
export const pageOf = <const I extends Schema>(items: I) =>
  object({
    items: listOf(items),
    next: {
      type: ["string", "null"],
      description: "pass as `cursor` for the next page; null = that was all",
    },
  });
