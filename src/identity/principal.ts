import type { Brand } from "../base/index.ts";
import type { TokenScope } from "./scopes.ts";

export type TenantId = Brand<"tenant">;
/** `<kind>/<id>`, unique within the installation, e.g. `agent/agt_01j…`. Also the Cedar entity id. */
export type PrincipalId = Brand<"principal">;
export type PrincipalKind = "agent" | "person" | "service";

/** Who a principal is, without how it proved it. */
export interface Identity {
  readonly id: PrincipalId;
  readonly kind: PrincipalKind;
  readonly name: string;
  /** Role names, sorted. */
  readonly roles: readonly string[];
}

/**
 * Who acts. `chain` is on whose behalf, nearest first, empty when it acts for itself: rights are the intersection along it.
 * `version` changes whenever anything about it or its chain changes; caches key on it.
 */
export interface Principal extends Identity {
  readonly tenant: TenantId;
  readonly chain: readonly Identity[];
  readonly version: string;
  /** What the token it came with is limited to; left out = what policy allows. */
  readonly scopes?: readonly TokenScope[];
}

/** Acts on the installation itself belong to this tenant. */
export const systemTenant = "system" as TenantId;
export const defaultTenant = "default" as TenantId;

/** Whether the actor and everyone it acts for have this role: along a chain, rights only shrink. */
export const hasRole = (actor: Principal, role: string): boolean =>
  actor.roles.includes(role) && actor.chain.every((delegator) => delegator.roles.includes(role));

/** Whether the token that this principal came with may be used for this. What it may do is policy's to say. */
export const isInScope = ({ scopes }: Principal, scope: TokenScope): boolean =>
  scopes === undefined || scopes.includes(scope);
