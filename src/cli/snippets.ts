/** How one client is told about this node; it can be pasted as it is. */
export interface Snippet {
  readonly client: string;
  /** Where it goes; null = into a shell. */
  readonly place: string | null;
  readonly text: string;
}

/** The version of the protocol our own example speaks. */
const protocolVersion = "2026-07-28";

/** How this program is started: a command and its first arguments. */
export type Launch = readonly [string, ...string[]];

/** `mcpUrl` is where MCP is served, `token` what an agent shows; null = this node asks for none. */
export function snippetsFor(mcpUrl: string, token: string | null, launch: Launch): readonly Snippet[] {
  const headers = token === null ? {} : { headers: { Authorization: `Bearer ${token}` } };
  const authorization = token === null ? "" : ` --header "Authorization: Bearer ${token}"`;
  return [
    {
      client: "Claude Code",
      place: null,
      text: `claude mcp add --transport http signalbox ${mcpUrl}${authorization}`,
    },
    {
      client: "Cursor",
      place: ".cursor/mcp.json",
      text: json({ mcpServers: { signalbox: { url: mcpUrl, ...headers } } }),
    },
    {
      client: "VS Code",
      place: ".vscode/mcp.json",
      text: json({ servers: { signalbox: { type: "http", url: mcpUrl, ...headers } } }),
    },
    {
      client: "Claude Desktop",
      place: "claude_desktop_config.json",
      text: json(desktop(mcpUrl, token, launch)),
    },
    { client: "MCP SDK", place: "TypeScript, @modelcontextprotocol/client", text: sdk(mcpUrl, token) },
    { client: "curl", place: null, text: curl(mcpUrl, token) },
  ];
}

/** It starts programs only, so this one carries what they say. The token stays out of the list of processes. */
function desktop(mcpUrl: string, token: string | null, [command, ...args]: Launch): unknown {
  const server = {
    command,
    args: [...args, "stdio", "--url", new URL(mcpUrl).origin],
    ...(token === null ? {} : { env: { SIGNALBOX_TOKEN: token } }),
  };
  return { mcpServers: { signalbox: server } };
}

function sdk(mcpUrl: string, token: string | null): string {
  const options =
    token === null ? "" : `, {\n  requestInit: { headers: { Authorization: "Bearer ${token}" } },\n}`;
  return `import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const client = new Client({ name: "my-agent", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(new URL("${mcpUrl}")${options}));
console.log((await client.listTools()).tools.map((tool) => tool.name));
await client.close();`;
}

function curl(mcpUrl: string, token: string | null): string {
  const body = {
    jsonrpc: "2.0",
    id: 1,
    method: "tools/list",
    params: {
      _meta: {
        "io.modelcontextprotocol/protocolVersion": protocolVersion,
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  };
  return [
    `curl -s ${mcpUrl} \\`,
    ...(token === null ? [] : [`  -H "Authorization: Bearer ${token}" \\`]),
    `  -H "Content-Type: application/json" -H "Accept: application/json, text/event-stream" \\`,
    `  -H "MCP-Protocol-Version: ${protocolVersion}" -H "Mcp-Method: tools/list" \\`,
    `  -d '${JSON.stringify(body)}'`,
  ].join("\n");
}

const json = (value: unknown): string => JSON.stringify(value, null, 2);
