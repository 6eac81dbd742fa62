import { clientMeta } from "./nodes.ts";

/** A thousand calls with different arguments, and others for each caller: an identical open effect would be refused, as it should. */
export function callRequests(tool: string, token: string, caller = 0): Buffer[] {
  return Array.from({ length: 1000 }, (_, n) => {
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: n,
      method: "tools/call",
      params: {
        name: tool,
        arguments: {
          path: `/srv/data/reports/${2026 + caller}/summary-${n}.txt`,
          limit: 100,
          encoding: "utf-8",
        },
        _meta: { ...clientMeta, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
      },
    });
    return Buffer.from(
      `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n" +
        `Mcp-Name: ${tool}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}
