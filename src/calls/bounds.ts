import type { Bound } from "../dispatch/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Limits, ServerRecord } from "../registry/index.ts";
import type { House } from "./house.ts";

/** What calls of a principal to a server are measured by. */
export interface Measure {
  /** Of the tenant's limits. */
  readonly version: number;
  readonly bounds: readonly Bound[];
}

/** What no tenant can be called, and no id is: keys of all kinds are counted side by side. */
const wholeNode = "this node";

/** As it is now. `server` as it was planned with: what is in force of it is looked up. */
export function measureOf(
  principal: Principal,
  server: ServerRecord,
  { limits, registry }: Pick<House, "limits" | "registry">,
): Measure {
  const { version, limits: own } = registry.limits.of(principal.tenant);
  const { id, concurrencyMax } = registry.server(server.id) ?? server;
  return {
    version,
    bounds: [
      { key: wholeNode, max: limits.callsInFlightMax },
      { key: principal.id, max: callsMaxOf(principal, own) },
      { key: id, max: concurrencyMax },
      // Counted also where nothing bounds it, so that a bound which comes later knows of those who are inside.
      { key: principal.tenant, max: own.tenantCallsMax ?? Number.POSITIVE_INFINITY },
    ],
  };
}

function callsMaxOf({ kind, name }: Principal, { agents, perPrincipalCallsMax }: Limits): number {
  const own = kind === "agent" && Object.hasOwn(agents, name) ? agents[name] : undefined;
  return own ?? perPrincipalCallsMax;
}
