import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { expect } from "vitest";
import type { RawAnswer } from "../edge.fixture.ts";
import { RawConnection, ask, requestBytes } from "../edge.fixture.ts";

/** What the tests of this era share: messages, sessions by hand, and the official client. */

export const message = (method: string, params: object = {}, id: unknown = 1): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method, params });

export const notice = (method: string, params: object = {}): string =>
  JSON.stringify({ jsonrpc: "2.0", method, params });

export const initializeBody = (capabilities: object = {}, protocolVersion: unknown = "2025-11-25"): string =>
  message("initialize", { protocolVersion, capabilities, clientInfo: { name: "raw", version: "1" } });

export const headersOf = (
  session: string | undefined,
  token = "token-a",
): Record<string, string | undefined> => ({
  "MCP-Protocol-Version": session === undefined ? undefined : "2025-11-25",
  "Mcp-Method": undefined,
  "Mcp-Name": undefined,
  Authorization: `Bearer ${token}`,
  "Mcp-Session-Id": session,
});

export async function openSession(
  port: number,
  token = "token-a",
  capabilities: object = {},
): Promise<string> {
  const answer = await ask(port, {
    body: initializeBody(capabilities),
    headers: headersOf(undefined, token),
  });
  expect(answer.status).toBe(200);
  const id = answer.headers.get("mcp-session-id");
  if (id === undefined) throw new Error("no session id");
  return id;
}

/** One message in a session, on a connection of its own. */
export const post = (port: number, session: string, body: string, token = "token-a") =>
  ask(port, { body, headers: headersOf(session, token) });

export const end = (port: number, session: string, token = "token-a"): Promise<RawAnswer> =>
  ask(port, { method: "DELETE", headers: headersOf(session, token) });

/** A GET stream; resolves when its headers are there. */
export async function listen(port: number, session: string, token = "token-a"): Promise<RawConnection> {
  const connection = streaming(port, session, "", token, "GET");
  await connection.until(() => connection.text.includes("\r\n\r\n"));
  return connection;
}

/** A request whose answer may come in pieces. */
export function streaming(
  port: number,
  session: string,
  body: string,
  token = "token-a",
  method = "POST",
): RawConnection {
  const connection = new RawConnection(port);
  const headers = {
    ...headersOf(session, token),
    ...(method === "GET" ? { "Content-Length": undefined } : {}),
  };
  connection.write(requestBytes({ method, body, headers }));
  return connection;
}

/** The messages that arrived as events so far. */
export const events = (connection: RawConnection): readonly Message[] =>
  [...connection.text.matchAll(/^data: (\{.*\})\r?$/gm)].map(([, text]) => JSON.parse(text ?? "") as Message);

export interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

export interface Official {
  readonly client: Client;
  readonly transport: StreamableHTTPClientTransport;
}

/** The official client in this era, not connected yet. */
export function official(url: string, token: string, capabilities: object = {}): Official {
  return {
    client: new Client(
      { name: "test", version: "1" },
      { versionNegotiation: { mode: "legacy" }, capabilities },
    ),
    transport: new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  };
}
