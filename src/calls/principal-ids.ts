import type { Principal, PrincipalId } from "../identity/index.ts";

/** The actor first, then on whose behalf, nearest first. */
export const principalIds = (principal: Principal): readonly PrincipalId[] =>
  principal.chain.length === 0
    ? [principal.id]
    : [principal.id, ...principal.chain.map((identity) => identity.id)];

/** Tells callers apart by all that rights come from: the agent of two people is two callers. Ids hold no line feed. */
export const callerOf = (principal: Principal): string =>
  [principal.tenant, ...principalIds(principal)].join("\n");
