/** The one revision of MCP that the SDK speaks; a node serves it without a session. */
const mcpVersion = "2026-07-28";

/** What every request of that revision says about who asks. */
export const mcpMeta: Readonly<Record<string, unknown>> = {
  "io.modelcontextprotocol/protocolVersion": mcpVersion,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "signalbox-sdk", version: "0.1.0" },
};

/** `name` null = the method has none to repeat in a header. */
export const mcpHeaders = (method: string, name: string | null): Readonly<Record<string, string>> => ({
  "mcp-protocol-version": mcpVersion,
  "mcp-method": method,
  ...(name === null ? {} : { "mcp-name": name }),
});
