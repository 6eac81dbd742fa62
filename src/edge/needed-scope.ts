import type { TokenScope } from "../identity/index.ts";

/** What a token must not be limited to less than. null = nothing: it tells nobody anything about tools. */
export function neededScope(method: unknown): TokenScope | null {
  if (typeof method !== "string") return null;
  if (method === "tools/call" || method.startsWith("tasks/")) return "mcp:call";
  return readers.test(method) ? "mcp:read" : null;
}

const readers = /^(?:tools|resources|prompts|completion|subscriptions)\//;

/** Scopes a client of the MCP endpoint can ask for, in this order. */
export const mcpScopes = ["mcp:read", "mcp:call"] as const satisfies readonly TokenScope[];
