import { deepFreeze } from "./json-bounds.ts";

/** How many calls a tenant's callers may have under way at once, on each node. */
export interface Limits {
  /** Of each principal that `agents` does not name. */
  readonly perPrincipalCallsMax: number;
  /** Of all of the tenant's principals together; null = as many as the node bears. */
  readonly tenantCallsMax: number | null;
  /** Of single agents, by name. One that does not exist (yet) may stand here. */
  readonly agents: Readonly<Record<string, number>>;
}

/** No single agent may hold more than a tenth of what a node takes by default (`limits.callsInFlightMax`). */
export const limitDefaults: Limits = deepFreeze({
  perPrincipalCallsMax: 100,
  tenantCallsMax: null,
  agents: {},
});

export const callsMaxMax = 100_000;
/** One row holds them all, and each call looks one up. */
export const limitedAgentsMax = 1_000;

/** null = they can be put in force. */
export function limitsProblem({ perPrincipalCallsMax, tenantCallsMax, agents }: Limits): string | null {
  const named = Object.entries(agents);
  if (named.length > limitedAgentsMax)
    return `${named.length} agents have limits of their own; ${limitedAgentsMax} are allowed`;
  const all: readonly (readonly [string, number])[] = [
    ["perPrincipalCallsMax", perPrincipalCallsMax],
    ...(tenantCallsMax === null ? [] : [["tenantCallsMax", tenantCallsMax] as const]),
    ...named.map(([name, max]) => [`agents.${name}`, max] as const),
  ];
  const bad = all.find(([, max]) => !Number.isSafeInteger(max) || max < 1 || max > callsMaxMax);
  return bad === undefined
    ? null
    : `${bad[0]} is ${bad[1]}; it must be a whole number from 1 to ${callsMaxMax}`;
}

export const sameLimits = (one: Limits, other: Limits): boolean =>
  one.perPrincipalCallsMax === other.perPrincipalCallsMax &&
  one.tenantCallsMax === other.tenantCallsMax &&
  Object.keys(one.agents).length === Object.keys(other.agents).length &&
  Object.entries(one.agents).every(
    ([name, max]) => Object.hasOwn(other.agents, name) && other.agents[name] === max,
  );
