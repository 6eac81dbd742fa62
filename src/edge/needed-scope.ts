import type { TokenScope } from "../identity/index.ts";

/**
 * What a token must not be limited to less than. null = nothing: it tells nobody anything about tools. A method that is not known to be
 * harmless needs the right to read, so that one that comes to be served later is not open by being forgotten here.
 */
export function neededScope(method: unknown): TokenScope | null {
  if (typeof method !== "string") return null;
  if (method === "tools/call" || method.startsWith("tasks/")) return "mcp:call";
  return harmless.has(method) || method.startsWith("notifications/") ? null : "mcp:read";
}

const harmless: ReadonlySet<string> = new Set(["initialize", "ping", "server/discover", "logging/setLevel"]);

/** Scopes a client of the MCP endpoint can ask for, in this order. */
export const mcpScopes = ["mcp:read", "mcp:call"] as const satisfies readonly TokenScope[];
