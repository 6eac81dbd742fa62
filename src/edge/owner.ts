import type { Principal } from "../identity/index.ts";

/** Whose something is that outlives a request: rights come from the whole chain, so ownership does too. Ids hold no line feed. */
export function ownerOf(principal: Principal): string {
  return [principal.tenant, principal.id, ...principal.chain.map((link) => link.id)].join("\n");
}
