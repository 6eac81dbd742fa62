import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunningEdge } from "../edge.fixture.ts";
import { RawConnection, ask, eventually, requestBytes, startEdge } from "../edge.fixture.ts";

let node: RunningEdge;
beforeEach(async () => {
  node = await startEdge();
});
afterEach(() => node.edge.stop(0));

const legacyHeaders = {
  "MCP-Protocol-Version": "2025-11-25",
  "Mcp-Method": undefined,
  "Mcp-Name": undefined,
};
const message = (method: string, params: object = {}, id: unknown = 1) =>
  JSON.stringify({ jsonrpc: "2.0", id, method, params });
const initializeBody = message("initialize", {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "raw", version: "1" },
});

async function openSession(port: number, token = "token-a"): Promise<string> {
  const connection = new RawConnection(port);
  connection.write(
    requestBytes({
      body: initializeBody,
      headers: { ...legacyHeaders, "MCP-Protocol-Version": undefined, Authorization: `Bearer ${token}` },
    }),
  );
  await connection.until(() => connection.text.includes('"serverInfo"'));
  const id = /mcp-session-id: (\S+)/i.exec(connection.text)?.[1];
  expect(connection.text).toContain('"listChanged":true');
  expect(connection.text).toContain('"name":"signalbox"');
  connection.destroy();
  if (id === undefined) throw new Error("no session id");
  return id;
}

const inSession = (id: string, token = "token-a") => ({
  ...legacyHeaders,
  Authorization: `Bearer ${token}`,
  "Mcp-Session-Id": id,
});

/** The first event of the answer to a request in a session. */
async function post(
  port: number,
  body: string,
  headers: Record<string, string | undefined>,
): Promise<string> {
  const connection = new RawConnection(port);
  connection.write(requestBytes({ body, headers }));
  await connection.until(
    () => /^data: \{.*\}$/m.test(connection.text) || /HTTP\/1.1 (?!200)/.test(connection.text),
  );
  connection.destroy();
  return connection.text;
}

describe("a session", () => {
  test("works with the official client: list, call, progress, refusal, cancellation, and it can be ended", async () => {
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "legacy" } });
    const transport = new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
      requestInit: { headers: { authorization: "Bearer token-b" } },
    });
    await client.connect(transport);
    expect(client.getServerVersion()).toEqual({ name: "signalbox", version: "0.0.0-test" });
    expect(client.getServerCapabilities()).toEqual({ tools: { listChanged: true } });
    expect(client.getInstructions()).toBe("Ask before you pay.");
    await client.ping();
    expect((await client.listTools()).tools.map((tool) => tool.description)).toEqual(["for b"]);
    const result = await client.callTool({ name: "echo", arguments: { a: 1 } });
    expect(result).toMatchObject({
      content: [{ type: "text", text: '{"a":1}' }],
      _meta: { "dev.signalbox/receipt": { entry: "call_1:1" } },
    });
    const seen: number[] = [];
    await client.callTool(
      { name: "progress", arguments: {} },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect(seen).toEqual([1, 2, 3]);
    expect(await client.callTool({ name: "denied", arguments: {} })).toMatchObject({
      isError: true,
      _meta: { "dev.signalbox/refusal": { code: "denied" } },
    });
    await expect(client.callTool({ name: "nobody-has-this", arguments: {} })).rejects.toMatchObject({
      code: -32602,
    });
    await expect(client.callTool({ name: "broken", arguments: {} })).rejects.toMatchObject({ code: -32603 });
    const cancel = new AbortController();
    const waiting = client.callTool({ name: "wait", arguments: {} }, { signal: cancel.signal });
    await eventually(() => node.calls.inputs.some((input) => input.name === "wait"));
    cancel.abort();
    await expect(waiting).rejects.toThrow();
    await eventually(() => node.calls.aborted.includes("wait"));
    await transport.terminateSession();
    await client.close();
    expect(await node.metricsText()).toContain("signalbox_edge_legacy_sessions 0");
  });

  test("hears that the tools changed", async () => {
    const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "legacy" } });
    let changes = 0;
    client.setNotificationHandler("notifications/tools/list_changed", () => {
      changes++;
    });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
        requestInit: { headers: { authorization: "Bearer token-b" } },
      }),
    );
    await eventually(() => {
      node.edge.toolsChanged();
      return changes > 0;
    });
    await client.close();
  });

  test("exists only for the principal that opened it; to others it looks unknown", async () => {
    const id = await openSession(node.port);
    expect(await post(node.port, message("tools/list"), inSession(id))).toContain("for a");
    const foreign = await ask(node.port, { body: message("tools/list"), headers: inSession(id, "token-b") });
    const unknown = await ask(node.port, {
      body: message("tools/list"),
      headers: inSession("ses_unknown", "token-b"),
    });
    expect(foreign.status).toBe(404);
    expect(foreign.body).toBe(unknown.body);
    expect(await post(node.port, message("tools/list"), inSession(id))).toContain("for a");
  });

  test("ends with its token", async () => {
    const id = await openSession(node.port);
    node.revoked.add("token-a");
    const answer = await ask(node.port, { body: message("tools/list"), headers: inSession(id) });
    expect(answer.status).toBe(401);
  });

  test("passes the session's revocation to the call itself", async () => {
    const id = await openSession(node.port);
    const call = message("tools/call", { name: "echo", arguments: {} });
    expect(await post(node.port, call, inSession(id))).toContain("call_1:1");
    expect(node.calls.inputs).toHaveLength(1);
  });

  test("is ended by DELETE, after which it is unknown", async () => {
    const id = await openSession(node.port);
    expect((await ask(node.port, { method: "DELETE", headers: inSession(id, "token-b") })).status).toBe(404);
    expect((await ask(node.port, { method: "DELETE", headers: inSession(id) })).status).toBe(200);
    expect((await ask(node.port, { body: message("ping"), headers: inSession(id) })).status).toBe(404);
  });

  test("is collected when idle, and not while a stream is open", async () => {
    const quick = await startEdge({ bounds: { sessionIdleMs: 40 } });
    const idle = await openSession(quick.port);
    const busy = await openSession(quick.port);
    const stream = new RawConnection(quick.port);
    stream.write(
      requestBytes({ method: "GET", headers: { ...inSession(busy), "Content-Length": undefined } }),
    );
    await stream.until(() => stream.text.includes("text/event-stream"));
    await eventually(async () => (await quick.metricsText()).includes("signalbox_edge_legacy_sessions 1"));
    expect((await ask(quick.port, { body: message("ping"), headers: inSession(idle) })).status).toBe(404);
    expect(await post(quick.port, message("ping"), inSession(busy))).toContain('"result":{}');
    stream.destroy();
    await eventually(async () => (await quick.metricsText()).includes("signalbox_edge_legacy_sessions 0"));
    await quick.edge.stop(0);
  });

  test("beyond the bound of its principal takes the place of that principal's least recently used one", async () => {
    const small = await startEdge({ bounds: { sessionsPerPrincipalMax: 2 } });
    const other = await openSession(small.port, "token-b");
    const first = await openSession(small.port);
    const second = await openSession(small.port);
    await post(small.port, message("ping"), inSession(first));
    await openSession(small.port);
    expect((await ask(small.port, { body: message("ping"), headers: inSession(second) })).status).toBe(404);
    expect(await post(small.port, message("ping"), inSession(first))).toContain("result");
    expect(await post(small.port, message("ping"), inSession(other, "token-b"))).toContain("result");
    await small.edge.stop(0);
  });

  test("is refused when all are busy", async () => {
    const small = await startEdge({ bounds: { sessionsMax: 1 } });
    const id = await openSession(small.port);
    const stream = new RawConnection(small.port);
    stream.write(requestBytes({ method: "GET", headers: { ...inSession(id), "Content-Length": undefined } }));
    await stream.until(() => stream.text.includes("text/event-stream"));
    const refused = await ask(small.port, {
      body: initializeBody,
      headers: { ...legacyHeaders, "MCP-Protocol-Version": undefined },
    });
    expect(refused.status).toBe(429);
    stream.destroy();
    await small.edge.stop(0);
  });
});

describe("an older message outside a session", () => {
  test("is told what is missing", async () => {
    const answer = await ask(node.port, { body: message("tools/list"), headers: legacyHeaders });
    expect(answer).toMatchObject({ status: 400, json: { id: 1, error: { code: -32600 } } });
  });

  test("GET and DELETE without a session are not allowed", async () => {
    for (const method of ["GET", "DELETE"]) {
      const answer = await ask(node.port, { method, headers: { "Content-Length": undefined } });
      expect(answer.status).toBe(405);
      expect(answer.headers.get("allow")).toBe("POST");
    }
  });

  test("an initialize that makes no sense leaves no session behind", async () => {
    const answer = await ask(node.port, {
      body: message("initialize", { protocolVersion: 7 }),
      headers: { ...legacyHeaders, "MCP-Protocol-Version": undefined },
    }).catch(() => null);
    expect(answer === null || answer.status >= 200).toBe(true);
    expect(await node.metricsText()).toContain("signalbox_edge_legacy_sessions 0");
  });
});
