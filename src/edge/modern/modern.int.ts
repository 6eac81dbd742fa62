import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunningEdge } from "../edge.fixture.ts";
import { RawConnection, ask, callBody, modernMeta, requestBytes, startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";

let node: RunningEdge;
beforeEach(async () => {
  node = await startEdge();
});
afterEach(() => node.edge.stop(0));

const message = (method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: "2.0", id: "m1", method, params: { ...params, _meta: modernMeta } });
const named = (method: string) => ({ "Mcp-Method": method, "Mcp-Name": undefined });

describe("a modern request", () => {
  test("calls a tool and gets the bytes that calls gave, with their type in front", async () => {
    node.calls.rawText = '{ "content" : [],\n "structuredContent": 1.50 }';
    const answer = await ask(node.port, { body: callBody("raw"), headers: { "Mcp-Name": "raw" } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.body).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete", "content" : [],\n "structuredContent": 1.50 }}',
    );
  });

  test("hands its arguments, its meta and a fresh request id on, and no token", async () => {
    await ask(node.port, { body: callBody("echo", { a: [1, "ü"] }, { "dev.signalbox/run": "r1", x: 1 }) });
    await ask(node.port, { body: callBody("echo") });
    const [first, second] = node.calls.inputs;
    expect(first).toMatchObject({
      name: "echo",
      arguments: { a: [1, "ü"] },
      meta: { ...modernMeta, "dev.signalbox/run": "r1", x: 1 },
      deadline: null,
      onProgress: null,
    });
    expect(first?.requestId).toMatch(/^req_[0-9a-z]{26}$/);
    expect(second?.requestId).not.toBe(first?.requestId);
    expect(JSON.stringify(first)).not.toContain("token-a");
  });

  test("is refused as a tool result when policy says no, with code and receipt and without evidence", async () => {
    const answer = await ask(node.port, { body: callBody("denied"), headers: { "Mcp-Name": "denied" } });
    expect(answer.status).toBe(200);
    expect(answer.json.result).toEqual({
      resultType: "complete",
      content: [{ type: "text", text: "Policy does not allow this call. By no-payments." }],
      isError: true,
      _meta: {
        "dev.signalbox/refusal": { code: "denied", cause: "policy", retry: "never", effect: "none" },
        "dev.signalbox/receipt": { entry: "call_1:1", leaf: "bGVhZg==" },
      },
    });
    expect(answer.body).not.toContain("c4n4ry");
  });

  test.each([
    ["busy", 403, -31004],
    ["nobody-has-this", 400, -32602],
    ["broken", 500, -32603],
  ])("for %s is refused as an error with status %i and code %i", async (name, status, code) => {
    const answer = await ask(node.port, { body: callBody(name), headers: { "Mcp-Name": name } });
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ id: 1, error: { code } });
    expect(answer.body).not.toContain("c4n4ry");
  });

  test("lists tools for its caller, privately and with a time to live", async () => {
    const answer = await ask(node.port, { body: message("tools/list"), headers: named("tools/list") });
    expect(answer.json.result).toEqual({
      resultType: "complete",
      ttlMs: 10_000,
      cacheScope: "private",
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "signalbox", version: "0.0.0-test" } },
      tools: [{ name: "echo", description: "for a", inputSchema: { type: "object" } }],
    });
    const next = await ask(node.port, {
      body: message("tools/list", { cursor: "x" }),
      headers: named("tools/list"),
    });
    expect(next).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
  });

  test("discovers what we speak and offer", async () => {
    const answer = await ask(node.port, {
      body: message("server/discover"),
      headers: named("server/discover"),
    });
    expect(answer.json.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: {
        tools: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        prompts: { listChanged: true },
        completions: {},
        extensions: { "io.modelcontextprotocol/tasks": {} },
      },
      instructions: "Ask before you pay.\n\nfiles: Paths are absolute.",
      ttlMs: 10_000,
      cacheScope: "private",
    });
    // What this revision does not know is not offered in it.
    expect(answer.json.result?.["capabilities"]).not.toHaveProperty("somethingOfTomorrow");
  });

  test("of a kind we do not have gets 404 and -32601, and an id that is text comes back", async () => {
    for (const method of ["resources/subscribe", "logging/setLevel", "ping", "constructor", "tools/callx"]) {
      const answer = await ask(node.port, { body: message(method), headers: named(method) });
      expect(answer).toMatchObject({ status: 404, json: { id: "m1", error: { code: -32601 } } });
    }
  });

  test("that is a notification gets 202 and nothing else", async () => {
    const body = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: {} });
    const answer = await ask(node.port, { body, headers: named("notifications/cancelled") });
    expect(answer).toMatchObject({ status: 202, body: "" });
  });

  test("whose list fails inside is answered, and says nothing about why", async () => {
    const headers = { ...named("tools/list"), Authorization: "Bearer token-unlucky" };
    const answer = await ask(node.port, { body: message("tools/list"), headers });
    expect(answer).toMatchObject({ status: 500, json: { id: "m1", error: { code: -32603 } } });
    expect(answer.body).not.toContain("c4n4ry");
  });

  test("with a wrong form of parameters names the parameter", async () => {
    const long = "x".repeat(300);
    for (const [params, name] of [
      [{}, "x"],
      [{ name: 1 }, "1"],
      [{ name: "echo", arguments: [] }, "echo"],
      [{ name: "echo", arguments: "x" }, "echo"],
      [{ name: long }, long],
    ] as const) {
      const answer = await ask(node.port, {
        body: message("tools/call", params),
        headers: { "Mcp-Name": name },
      });
      expect(answer).toMatchObject({ status: 400, json: { error: { code: -32602 } } });
      expect(answer.json.error?.message).toMatch(/params\.(name|arguments)/);
    }
    expect(node.calls.inputs).toEqual([]);
  });
});

describe("progress", () => {
  test("comes as a stream of events that ends with the result, under the caller's own token", async () => {
    const connection = new RawConnection(node.port);
    connection.write(
      requestBytes({
        body: callBody("progress", {}, { progressToken: 7 }),
        headers: { "Mcp-Name": "progress" },
      }),
    );
    await connection.until(
      () => connection.text.includes('"result"') && connection.text.endsWith("0\r\n\r\n"),
    );
    const { text } = connection;
    connection.destroy();
    expect(text).toMatch(/content-type: text\/event-stream/i);
    expect(text).toMatch(/x-accel-buffering: no/i);
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(
      (match) => JSON.parse(match[1] ?? "") as { method?: string; params?: object },
    );
    expect(events.map((event) => event.method)).toEqual([
      "notifications/progress",
      "notifications/progress",
      "notifications/progress",
      undefined,
    ]);
    expect(events[0]?.params).toEqual({ progress: 1, total: 3, progressToken: 7 });
  });

  test("keeps the stream alive with comments while nothing happens", async () => {
    const quick = await startEdge({ bounds: { keepAliveCommentMs: 10 } });
    const connection = new RawConnection(quick.port);
    connection.write(
      requestBytes({ body: callBody("wait", {}, { progressToken: "p" }), headers: { "Mcp-Name": "wait" } }),
    );
    await connection.until(() => (connection.text.match(/: keep-alive\n\n/g) ?? []).length >= 3);
    quick.calls.releaseAll();
    await connection.until(() => connection.text.includes("waited"));
    connection.destroy();
    await quick.edge.stop(0);
  });

  test("a result with line breaks stays one event", async () => {
    node.calls.rawText = '{\n"content":\r\n[]}';
    const connection = new RawConnection(node.port);
    connection.write(
      requestBytes({ body: callBody("raw", {}, { progressToken: "p" }), headers: { "Mcp-Name": "raw" } }),
    );
    await connection.until(() => connection.text.endsWith("0\r\n\r\n"));
    const data = [...connection.text.matchAll(/^data: (.*)$/gm)].map((match) => match[1]).join("\n");
    expect(JSON.parse(data)).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: { resultType: "complete", content: [] },
    });
    connection.destroy();
  });
});

describe("a caller that goes away", () => {
  test.each([{}, { progressToken: "p" }])("aborts its call (%j)", async (meta) => {
    const connection = new RawConnection(node.port);
    connection.write(requestBytes({ body: callBody("wait", {}, meta), headers: { "Mcp-Name": "wait" } }));
    await until(() => node.calls.inputs.length === 1);
    expect(node.calls.inputs[0]?.signal.aborted).toBe(false);
    connection.destroy();
    await until(() => node.calls.aborted.includes("wait"));
  });

  test("that only closes its half is gone as well, and nothing is left in flight", async () => {
    const connection = new RawConnection(node.port);
    connection.write(requestBytes({ body: callBody("wait"), headers: { "Mcp-Name": "wait" } }));
    await until(() => node.calls.inputs.length === 1);
    connection.halfClose();
    await until(() => node.calls.aborted.includes("wait"));
    await connection.closedByServer();
    await until(async () => (await node.metricsText()).includes("signalbox_edge_requests_in_flight 0"));
  });

  test("an answered call is not aborted afterwards", async () => {
    await ask(node.port, { body: callBody("echo") });
    await until(async () => (await node.metricsText()).includes("signalbox_edge_connections 0"));
    expect(node.calls.aborted).toEqual([]);
  });
});

describe("the official client", () => {
  test.each([{ mode: "auto" as const }, { mode: { pin: "2026-07-28" } }])(
    "lists and calls in the modern era (%j)",
    async (negotiation) => {
      const client = new Client({ name: "test", version: "1" }, { versionNegotiation: negotiation });
      const transport = new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
        requestInit: { headers: { authorization: "Bearer token-b" } },
      });
      await client.connect(transport);
      expect(client.getProtocolEra()).toBe("modern");
      expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(["echo"]);
      const result = await client.callTool({ name: "echo", arguments: { a: 1 } });
      expect(result).toMatchObject({ content: [{ type: "text", text: '{"a":1}' }] });
      const seen: number[] = [];
      await client.callTool(
        { name: "progress", arguments: {} },
        { onprogress: ({ progress }) => seen.push(progress) },
      );
      expect(seen).toEqual([1, 2, 3]);
      expect(await client.callTool({ name: "denied", arguments: {} })).toMatchObject({ isError: true });
      await expect(client.callTool({ name: "nobody-has-this", arguments: {} })).rejects.toMatchObject({
        code: -32602,
      });
      const cancel = new AbortController();
      const waiting = client.callTool({ name: "wait", arguments: {} }, { signal: cancel.signal });
      await until(() => node.calls.inputs.some((input) => input.name === "wait"));
      cancel.abort();
      await expect(waiting).rejects.toThrow();
      await until(() => node.calls.aborted.includes("wait"));
      await client.close();
    },
  );
});
