import type { Principal, PrincipalId } from "../identity/index.ts";

/** The actor first, then on whose behalf, nearest first. */
export const principalIds = (principal: Principal): readonly PrincipalId[] =>
  principal.chain.length === 0
    ? [principal.id]
    : [principal.id, ...principal.chain.map((identity) => identity.id)];
