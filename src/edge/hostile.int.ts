import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { RunningEdge } from "./edge.fixture.ts";
import {
  RawConnection,
  ask,
  callBody,
  echoingDesk,
  modernMeta,
  requestBytes,
  startEdge,
} from "./edge.fixture.ts";
import { until } from "../../test/fixtures/until.ts";

let node: RunningEdge;
beforeAll(async () => {
  node = await startEdge();
});
afterAll(() => node.edge.stop(0));
// Whatever was done to it: it answers the next one, and nothing hostile became a call.
afterEach(async () => {
  node.calls.inputs.length = 0;
  expect((await ask(node.port, { body: callBody("echo") })).status).toBe(200);
  node.calls.inputs.length = 0;
});

const refusedWith = (status: number, code: number) => ({ status, json: { error: { code } } });

describe("a hostile body", () => {
  const withArguments = (text: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${text},"_meta":${JSON.stringify(modernMeta)}}}`;

  test.each([
    ["nothing", ""],
    ["half an object", '{"jsonrpc":"2.0",'],
    ["two values", "{}{}"],
    ["a bare word", "hello"],
    ["duplicate keys", withArguments('{"a":1,"a":2}')],
    ["duplicate keys spelt differently", withArguments('{"a":1,"\\u0061":2}')],
    ["a duplicate method", '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}'],
    ["__proto__", withArguments('{"__proto__":{"isAdmin":true}}')],
    ["__proto__ spelt with escapes", withArguments('{"\\u005f_proto__":{"isAdmin":true}}')],
    ["an integer that is not exact", withArguments('{"amount":9007199254740993}')],
    ["a number that overflows", withArguments('{"amount":1e999}')],
    ["a lone surrogate", withArguments('{"text":"\\ud800"}')],
    ["a nesting of 100,000", withArguments("[".repeat(100_000) + "]".repeat(100_000))],
    ["a nesting of 100,000 that never closes", "[".repeat(100_000)],
    ["a byte order mark and UTF-16", Buffer.from('\ufeff{"jsonrpc":"2.0"}', "utf16le")],
    [
      "bytes that are not UTF-8",
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from('"}')]),
    ],
    [
      "an encoded surrogate",
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
    ["a control character in a string", withArguments('"a\u0000b"')],
  ])("of %s is refused as malformed, and the connection stays usable", async (_, body) => {
    const connection = new RawConnection(node.port);
    connection.write(requestBytes({ body }));
    const answer = await connection.answer();
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ id: null, error: { code: -32700 } });
    expect(answer.body.length).toBeLessThan(1000);
    connection.write(requestBytes({ body: callBody("echo") }));
    expect((await connection.answer()).status).toBe(200);
    connection.destroy();
    expect(node.calls.inputs).toHaveLength(1);
  });

  test("of two hundred thousand values is refused before anything is built", async () => {
    const answer = await ask(node.port, { body: withArguments(`[${"1,".repeat(200_000)}1]`) });
    expect(answer).toMatchObject(refusedWith(400, -32700));
  });

  test.each([
    ["a batch", `[${callBody("echo")}]`],
    ["an empty batch", "[]"],
    [
      "a batch of ten thousand",
      `[${'{"jsonrpc":"2.0","id":1,"method":"ping"},'.repeat(9999)}{"jsonrpc":"2.0","id":1,"method":"ping"}]`,
    ],
    ["null", "null"],
    ["a string", '"tools/call"'],
    ["an object of another kind", '{"hello":1}'],
    ["another version of JSON-RPC", '{"jsonrpc":"1.0","id":1,"method":"ping"}'],
    ["an id that is an object", '{"jsonrpc":"2.0","id":{},"method":"tools/call"}'],
  ])("of %s is refused as no request", async (_, body) => {
    expect(await ask(node.port, { body })).toMatchObject(refusedWith(400, -32600));
    expect(node.calls.inputs).toEqual([]);
  });

  test("of ten megabytes is refused at its announcement, without being read", async () => {
    const connection = new RawConnection(node.port);
    connection.write(requestBytes({ headers: { "Content-Length": String(10 * 1024 * 1024) } }));
    const answer = await connection.answer();
    expect(answer.status).toBe(413);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: -32600 } });
    expect(answer.headers.get("connection")).toBe("close");
    await connection.closedByServer();
    connection.destroy();
  });

  test("of ten megabytes in chunks is refused at the first byte too many", async () => {
    const connection = new RawConnection(node.port);
    connection.write(
      requestBytes({ headers: { "Content-Length": undefined, "Transfer-Encoding": "chunked" } }),
    );
    const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, " "), Buffer.from("\r\n")]);
    for (let i = 0; i < 160; i++) connection.write(chunk);
    const answer = await connection.answer();
    expect(answer.status).toBe(413);
    await connection.closedByServer();
    connection.destroy();
  });

  test("together with many others is refused beyond what all may hold at once", async () => {
    const small = await startEdge({ bounds: { bodyBytesInFlightMax: 100_000 } });
    const slow = Array.from({ length: 3 }, () => new RawConnection(small.port));
    for (const connection of slow) {
      connection.write(requestBytes({ headers: { "Content-Length": "90000" } }));
      connection.write(Buffer.alloc(40_000, " "));
    }
    await until(() => slow.some((connection) => connection.text.startsWith("HTTP/1.1 503")));
    for (const connection of slow) connection.destroy();
    await until(async () => (await small.metricsText()).includes("signalbox_edge_requests_in_flight 0"));
    expect((await ask(small.port, { body: callBody("echo") })).status).toBe(200);
    await small.edge.stop(0);
  });

  test("that is cut off in the middle leaves nothing behind", async () => {
    const connection = new RawConnection(node.port);
    connection.write(requestBytes({ headers: { "Content-Length": "1000" } }));
    connection.write('{"jsonrpc"');
    await until(async () => (await node.metricsText()).includes("signalbox_edge_requests_in_flight 1"));
    connection.destroy();
    await until(async () => (await node.metricsText()).includes("signalbox_edge_requests_in_flight 0"));
  });
});

describe("wrong or missing headers", () => {
  const cases: [string, Record<string, string | undefined>, number, number][] = [
    ["no content type", { "Content-Type": undefined }, 415, -32600],
    ["a content type of text", { "Content-Type": "text/plain" }, 415, -32600],
    ["a content type that only begins like JSON", { "Content-Type": "application/jsonp" }, 415, -32600],
    ["no Accept", { Accept: undefined }, 406, -32600],
    ["an Accept without streams", { Accept: "application/json" }, 406, -32600],
    ["an Accept without JSON", { Accept: "text/event-stream" }, 406, -32600],
    ["a foreign Host", { Host: "evil.example" }, 403, -31403],
    ["a foreign Origin", { Origin: "https://evil.example" }, 403, -31403],
    ["an opaque Origin", { Origin: "null" }, 403, -31403],
    ["no token", { Authorization: undefined }, 401, -31401],
    ["a token of somebody else's", { Authorization: "Bearer eyJhbGciOiJub25lIn0.e30." }, 401, -31401],
    ["another scheme", { Authorization: "Basic dG9rZW4tYTo=" }, 401, -31401],
    ["a token of 9,000 characters", { Authorization: `Bearer ${"a".repeat(9000)}` }, 401, -31401],
    ["a version header of another revision", { "MCP-Protocol-Version": "2025-11-25" }, 400, -32020],
    ["no version header", { "MCP-Protocol-Version": undefined }, 400, -32020],
    ["another method", { "Mcp-Method": "tools/list" }, 400, -32020],
    ["no method", { "Mcp-Method": undefined }, 400, -32020],
    ["another name", { "Mcp-Name": "danger" }, 400, -32020],
    ["no name", { "Mcp-Name": undefined }, 400, -32020],
    ["a name in broken Base64", { "Mcp-Name": "=?base64?!?=" }, 400, -32020],
  ];
  test.each(cases)("%s", async (_, headers, status, code) => {
    const answer = await ask(node.port, { headers, body: callBody("echo") });
    expect(answer).toMatchObject(refusedWith(status, code));
    expect(node.calls.inputs).toEqual([]);
  });

  test("the same header twice counts as another value", async () => {
    const bytes = requestBytes({ body: callBody("echo") }).toString("latin1");
    const connection = new RawConnection(node.port);
    connection.write(
      Buffer.from(bytes.replace("Mcp-Name: echo\r\n", "Mcp-Name: danger\r\nMcp-Name: echo\r\n"), "latin1"),
    );
    expect((await connection.answer()).status).toBe(400);
    connection.destroy();
  });

  test("a name in sound Base64 is the name, and a charset is no obstacle", async () => {
    const headers = {
      "Mcp-Name": "=?base64?ZWNobw==?=",
      "Content-Type": "application/json; charset=utf-8",
      Accept: "*/*",
    };
    expect((await ask(node.port, { headers, body: callBody("echo") })).status).toBe(200);
  });

  test("a missing envelope is named", async () => {
    const body = '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo"}}';
    const answer = await ask(node.port, { body });
    expect(answer).toMatchObject({
      status: 400,
      json: { id: 5, error: { code: -32602, data: { envelope: { missing: ["_meta"] } } } },
    });
  });

  test("a version of the future is told what we speak", async () => {
    const meta = { "io.modelcontextprotocol/protocolVersion": "2031-01-01" };
    const answer = await ask(node.port, {
      body: callBody("echo", {}, meta),
      headers: { "MCP-Protocol-Version": "2031-01-01" },
    });
    expect(answer).toMatchObject({
      status: 400,
      json: { error: { code: -32022, data: { supported: ["2026-07-28"], requested: "2031-01-01" } } },
    });
  });

  test("a challenge says where tokens come from, and a token in the URL is no token", async () => {
    const answer = await ask(node.port, {
      path: "/mcp?access_token=token-a",
      headers: { Authorization: undefined },
      body: callBody("echo"),
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe(
      'Bearer resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp", scope="mcp:read mcp:call"',
    );
    const bad = await ask(node.port, {
      headers: { Authorization: "Bearer nonsense" },
      body: callBody("echo"),
    });
    expect(bad.headers.get("www-authenticate")).toContain('error="invalid_token"');
    expect(bad.body).not.toContain("nonsense");
  });

  test("a large body behind a bad token is not read", async () => {
    const connection = new RawConnection(node.port);
    connection.write(
      requestBytes({ headers: { Authorization: undefined, "Content-Length": String(3 * 1024 * 1024) } }),
    );
    const answer = await connection.answer();
    expect(answer.status).toBe(401);
    expect(answer.headers.get("connection")).toBe("close");
    await connection.closedByServer();
    connection.destroy();
  });

  test("a token that is looked up slowly works as well", async () => {
    const answer = await ask(node.port, {
      headers: { Authorization: "Bearer token-slow" },
      body: callBody("echo"),
    });
    expect(answer.status).toBe(200);
    const wrong = await ask(node.port, {
      headers: { Authorization: "Bearer token-slow", Host: "evil.example" },
      body: callBody("echo"),
    });
    expect(wrong.status).toBe(403);
  });

  test("other HTTP methods are not allowed", async () => {
    for (const method of ["PUT", "PATCH", "OPTIONS", "TRACE"]) {
      expect((await ask(node.port, { method, body: callBody("echo") })).status).toBe(405);
    }
  });
});

describe("hostile HTTP", () => {
  test.each([
    ["a header that smuggles a second one", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n"],
    ["no Host", "POST /mcp HTTP/1.1\r\nContent-Length: 0\r\n\r\n"],
    [
      "two lengths",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    [
      "a length and chunks",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a negative length", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"],
    ["not HTTP at all", "\u0016\u0003\u0001\u0002\u0000hello\r\n\r\n"],
    ["32 KB of headers", `POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(32_768)}\r\n\r\n`],
    ["a space before the colon", "POST /mcp HTTP/1.1\r\nHost : localhost\r\n\r\n"],
  ])("%s is refused and the connection ends", async (_, text) => {
    const connection = new RawConnection(node.port);
    connection.write(Buffer.from(text, "latin1"));
    await connection.closedByServer();
    expect(connection.text).toMatch(/^HTTP\/1\.1 4\d\d /);
    connection.destroy();
    expect(node.calls.inputs).toEqual([]);
  });

  test("a full URL as target leads nowhere, and neither do odd paths", async () => {
    for (const path of ["http://evil.example/mcp", "//mcp", "/mcp/", "/MCP", "/%6dcp", "/../mcp", "*"]) {
      const answer = await ask(node.port, { path, body: callBody("echo") });
      expect(answer.status).toBe(404);
    }
  });

  test("what a caller wrote never becomes a header of ours", async () => {
    const answer = await ask(node.port, {
      headers: { Host: "localhost:1", Authorization: undefined, "Mcp-Name": "x%0d%0aSet-Cookie: a=b" },
      body: callBody("echo"),
    });
    expect(answer.headers.has("set-cookie")).toBe(false);
    expect(answer.headers.get("www-authenticate")).toContain("http://localhost:1/");
  });

  test("slow headers are cut off", async () => {
    const quick = await startEdge({
      bounds: { headersTimeoutMs: 100, requestTimeoutMs: 300, timeoutCheckMs: 20 },
    });
    const slowHead = new RawConnection(quick.port);
    slowHead.write("POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const slowBody = new RawConnection(quick.port);
    slowBody.write(requestBytes({ headers: { "Content-Length": "1000" } }));
    slowBody.write("{");
    const silent = new RawConnection(quick.port);
    await Promise.all([slowHead.closedByServer(), slowBody.closedByServer(), silent.closedByServer()]);
    expect(slowHead.text).toMatch(/^HTTP\/1\.1 408 /);
    for (const each of [slowHead, slowBody, silent]) each.destroy();
    await until(async () => (await quick.metricsText()).includes("signalbox_edge_requests_in_flight 0"));
    await quick.edge.stop(0);
  });

  test("hundreds who begin a form and never end it keep nobody from signing in", async () => {
    const open = await startEdge({ signIn: echoingDesk });
    const whole = 16 * 1024;
    const begun = Array.from({ length: 300 }, () => {
      const connection = new RawConnection(open.port);
      const headers = { "Content-Length": String(whole) };
      connection.write(requestBytes({ path: "/oauth/token", headers, body: "x".repeat(whole - 1) }));
      return connection;
    });
    await until(async () => (await open.metricsText()).includes("signalbox_edge_requests_in_flight 300"));
    expect((await ask(open.port, { path: "/oauth/token", body: "x".repeat(1_000) })).status).toBe(418);
    for (const each of begun) each.destroy();
    await open.edge.stop(0);
  });

  test("a slow answer is not a slow request: it may take longer than both", async () => {
    const quick = await startEdge({
      bounds: { headersTimeoutMs: 50, requestTimeoutMs: 100, timeoutCheckMs: 10 },
    });
    const connection = new RawConnection(quick.port);
    connection.write(requestBytes({ body: callBody("wait"), headers: { "Mcp-Name": "wait" } }));
    await until(() => quick.calls.inputs.length === 1);
    const releaseAt = performance.now() + 400;
    await until(() => performance.now() > releaseAt);
    quick.calls.releaseAll();
    expect((await connection.answer()).status).toBe(200);
    connection.destroy();
    await quick.edge.stop(0);
  });

  test("idle connections are closed", async () => {
    const quick = await startEdge({ bounds: { idleTimeoutMs: 50, timeoutCheckMs: 20 } });
    const connection = new RawConnection(quick.port);
    connection.write(requestBytes({ body: callBody("echo") }));
    await connection.answer();
    await connection.closedByServer();
    connection.destroy();
    await quick.edge.stop(0);
  });

  test("pipelined requests are answered in their order", async () => {
    const connection = new RawConnection(node.port);
    const many = Array.from({ length: 200 }, (_, i) =>
      requestBytes({ body: callBody("echo", { i }, {}, i) }),
    );
    connection.write(Buffer.concat(many));
    for (let i = 0; i < many.length; i++) {
      const answer = await connection.answer();
      expect((JSON.parse(answer.body) as { id: number }).id).toBe(i);
    }
    connection.destroy();
  });

  test("more connections than allowed are turned away, and a place is free again afterwards", async () => {
    const small = await startEdge({ bounds: { connectionsMax: 2 } });
    const held = [new RawConnection(small.port), new RawConnection(small.port)];
    for (const connection of held) {
      connection.write(requestBytes({ body: callBody("echo") }));
      await connection.answer();
    }
    const third = new RawConnection(small.port);
    await third.closedByServer();
    expect(third.text).toBe("");
    for (const connection of held) connection.destroy();
    await until(
      async () => (await ask(small.port, { body: callBody("echo") }).catch(() => null))?.status === 200,
    );
    await small.edge.stop(0);
  });

  test("more requests than allowed are told to come back", async () => {
    const small = await startEdge({ bounds: { requestsInFlightMax: 1 } });
    const first = new RawConnection(small.port);
    first.write(requestBytes({ body: callBody("wait"), headers: { "Mcp-Name": "wait" } }));
    await until(() => small.calls.inputs.length === 1);
    const second = await ask(small.port, { body: callBody("echo") });
    expect(second).toMatchObject(refusedWith(503, -31102));
    expect(second.headers.get("retry-after")).toBe("1");
    small.calls.releaseAll();
    expect((await first.answer()).status).toBe(200);
    first.destroy();
    await small.edge.stop(0);
  });

  test("a reader that does not read does not make progress pile up", async () => {
    const small = await startEdge({ bounds: { streamBytesWaitingMax: 10_000 } });
    const connection = new RawConnection(small.port);
    connection.write(
      requestBytes({ body: callBody("wait", {}, { progressToken: "p" }), headers: { "Mcp-Name": "wait" } }),
    );
    await until(() => small.calls.inputs.length === 1);
    connection.pause();
    const onProgress = small.calls.inputs[0]?.onProgress;
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 20_000; i++) onProgress?.({ progress: i, message: "x".repeat(1000) });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    small.calls.releaseAll();
    connection.resume();
    await connection.until(() => connection.text.includes("waited"));
    connection.destroy();
    await small.edge.stop(0);
  });
});
