import type { NoSchemas, RouteDefinition, RouteInput, RouteRow, Schema } from "../api/index.ts";
import { rowOf } from "../api/index.ts";
import type { Result } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Act } from "./act.ts";
import type { House } from "./house.ts";

export type AdminAction = `admin.${string}.${string}`;

/** One row of the table that the API is. A refusal by policy leaves an entry; an act does, whether it is done or refused. */
export type Route = GatedRoute | PublicRoute;

export interface GatedRoute extends RouteRow {
  /** What policy is asked, with the actor's tenant as resource. */
  readonly action: AdminAction;
  readonly handle: (input: RouteInput<never, never, never> & Actor, house: House) => Promise<Result<unknown>>;
}

/** For anyone, without a token; the same for all. */
export interface PublicRoute extends RouteRow {
  readonly action: "public";
  readonly show: () => unknown;
}

/** Policy has said yes. */
interface Actor {
  readonly actor: Principal;
  /** For `perform`. */
  readonly act: Act;
}

/** A row whose handler has the types its schemas say. */
export function route<
  const P extends Readonly<Record<string, Schema>> = NoSchemas,
  const Q extends Readonly<Record<string, Schema>> = NoSchemas,
  const B extends Schema | null = null,
  const R extends Schema = Schema,
>(definition: RouteDefinition<P, Q, B, R, AdminAction, Actor, House>): GatedRoute {
  return { ...rowOf(definition), handle: definition.handle };
}
