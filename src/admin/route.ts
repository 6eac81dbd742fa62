import type { Result } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Act } from "./act.ts";
import type { House } from "./house.ts";
import type { Answer, Method, RouteKind, RouteRow, Schema, Shape } from "../api/index.ts";

export type AdminAction = `admin.${string}.${string}`;

/** One row of the table that the API is. A refusal by policy leaves an entry, an act one whether it is done or refused. */
export type Route = GatedRoute | PublicRoute;

export interface GatedRoute extends RouteRow {
  /** What policy is asked, with the actor's tenant as resource. */
  readonly action: AdminAction;
  readonly handle: (input: RouteInput<never, never, never>, house: House) => Promise<Result<unknown>>;
}

/** For anyone, without a token; the same for all. */
export interface PublicRoute extends RouteRow {
  readonly action: "public";
  readonly show: () => unknown;
}

/** Everything has been checked against the route's schemas, and policy has said yes. */
interface RouteInput<P, Q, B> {
  readonly actor: Principal;
  /** For `perform`. */
  readonly act: Act;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

type Schemas = Readonly<Record<string, Schema>>;
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- no members is what is meant
type NoSchemas = Record<never, never>;

interface Definition<P extends Schemas, Q extends Schemas, B extends Schema | null, R extends Schema> {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly notes?: string;
  readonly action: AdminAction;
  readonly kind: RouteKind;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly example?: B extends Schema ? Shape<B> : never;
  readonly status?: 200 | 201;
  readonly type?: Answer["type"];
  readonly answer: R;
  readonly handle: (
    input: RouteInput<
      { readonly [K in keyof P]: string },
      { readonly [K in keyof Q]?: Shape<Q[K]> },
      B extends Schema ? Shape<B> : null
    >,
    house: House,
  ) => Promise<Result<Shape<R>>>;
}

/** A row whose handler has the types its schemas say. */
export function route<
  const P extends Schemas = NoSchemas,
  const Q extends Schemas = NoSchemas,
  const B extends Schema | null = null,
  const R extends Schema = Schema,
>(definition: Definition<P, Q, B, R>): GatedRoute {
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
    handle: definition.handle,
  };
}
