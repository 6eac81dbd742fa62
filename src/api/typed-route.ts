import type { Result } from "../base/index.ts";
import type { Answer, Method, RouteKind, RouteRow } from "./route.ts";
import type { Schema, Shape } from "./schema.ts";

type Schemas = Readonly<Record<string, Schema>>;
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- no members is what is meant
export type NoSchemas = Record<never, never>;

/** Everything has been checked against the route's schemas. */
export interface RouteInput<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** The types that a route's schemas say. */
export type InputOf<P extends Schemas, Q extends Schemas, B extends Schema | null> = RouteInput<
  { readonly [K in keyof P]: string },
  { readonly [K in keyof Q]?: Shape<Q[K]> },
  B extends Schema ? Shape<B> : null
>;

/** A row as it is written down; `Context` is what a table's handlers are given besides the input. */
export interface RouteDefinition<
  P extends Schemas,
  Q extends Schemas,
  B extends Schema | null,
  R extends Schema,
  Action extends string,
  Context,
  House,
> {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly notes?: string;
  readonly action: Action;
  readonly kind: RouteKind;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly example?: B extends Schema ? Shape<B> : never;
  readonly status?: 200 | 201;
  readonly type?: Answer["type"];
  readonly answer: R;
  readonly handle: (input: InputOf<P, Q, B> & Context, house: House) => Promise<Result<Shape<R>>>;
}

/** Fills in what was left out. */
export function rowOf<Action extends string>(definition: {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly notes?: string;
  readonly action: Action;
  readonly kind: RouteKind;
  readonly params?: Schemas;
  readonly query?: Schemas;
  readonly body?: Schema | null;
  readonly example?: unknown;
  readonly status?: 200 | 201;
  readonly type?: Answer["type"];
  readonly answer: Schema;
}): RouteRow & { readonly action: Action } {
  const { method, path, summary, action, kind } = definition;
  return {
    method,
    path,
    summary,
    action,
    kind,
    notes: definition.notes ?? null,
    params: definition.params ?? {},
    query: definition.query ?? {},
    body: definition.body ?? null,
    example: definition.example ?? null,
    answer: {
      status: definition.status ?? 200,
      type: definition.type ?? "application/json",
      schema: definition.answer,
    },
  };
}
