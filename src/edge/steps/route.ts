import type { NoSchemas, RouteDefinition, RouteInput, RouteRow, Schema } from "../../api/index.ts";
import { rowOf } from "../../api/index.ts";
import type { Result } from "../../base/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Runs } from "../../runs/index.ts";

export type OwnAction = `own.${string}.${string}`;

/** One row of what an agent may do with runs of its own. Policy is not asked: nothing here has an effect outside the run. */
export interface StepRoute extends RouteRow {
  readonly action: OwnAction;
  readonly handle: (input: RouteInput<never, never, never> & Owner, runs: Runs) => Promise<Result<unknown>>;
}

interface Owner {
  readonly owner: Principal;
  /** Fires when the caller goes away or this node stops. */
  readonly signal: AbortSignal;
}

/** A row whose handler has the types its schemas say. */
export function route<
  const P extends Readonly<Record<string, Schema>> = NoSchemas,
  const Q extends Readonly<Record<string, Schema>> = NoSchemas,
  const B extends Schema | null = null,
  const R extends Schema = Schema,
>(definition: RouteDefinition<P, Q, B, R, OwnAction, Owner, Runs>): StepRoute {
  return { ...rowOf(definition), handle: definition.handle };
}
