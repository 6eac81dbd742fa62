import { ok } from "../base/index.ts";
import type { TokenScope } from "../identity/index.ts";
import { scopeCharsMax } from "./bounds.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";

/** What a token that is got here can open. Administration is not among it: nobody signs a program in to that. */
export const offeredScopes = ["mcp:read", "mcp:call"] as const satisfies readonly TokenScope[];
export type OfferedScope = (typeof offeredScopes)[number];

/** Whoever names none asks for all that is offered. */
export function readScope(text: string | undefined): Judged<readonly OfferedScope[]> {
  if (text === undefined) return ok(offeredScopes);
  const named = text.split(" ");
  const isOffered = (scope: string): boolean => (offeredScopes as readonly string[]).includes(scope);
  if (text.length > scopeCharsMax || !named.every(isOffered))
    return problem("invalid_scope", `A token for here has these scopes: ${offeredScopes.join(" ")}.`);
  return ok(offeredScopes.filter((scope) => named.includes(scope)));
}
