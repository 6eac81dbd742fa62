/**
 * What a token can be limited to, beyond what policy says about its bearer.
 *  mcp:read  lists, resources, prompts, completions, subscriptions, skills
 *  mcp:call  tools, and the tasks they become
 *  admin     the administrative API
 */
export const tokenScopes = ["mcp:read", "mcp:call", "admin"] as const;
export type TokenScope = (typeof tokenScopes)[number];

/** Scopes of a `scope` claim (RFC 9068, section 2.2.3) that mean something here. */
export const scopesIn = (claim: string): readonly TokenScope[] => {
  const named = new Set(claim.split(" "));
  return tokenScopes.filter((scope) => named.has(scope));
};
