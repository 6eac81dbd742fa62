import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ManualClock, ok } from "../../base/index.ts";
import type { Principal, TenantId } from "../../identity/index.ts";
import type { RawConnection, RunningEdge } from "../edge.fixture.ts";
import { ask, principalNamed, startEdge } from "../edge.fixture.ts";
import { until } from "../../../test/fixtures/until.ts";
import { sealingWith } from "./sealing.fixture.ts";
import {
  end,
  events,
  headersOf,
  initializeBody,
  listen,
  message,
  notice,
  openSession,
  post,
  streaming,
} from "./session.fixture.ts";

const key = randomBytes(32);
let node: RunningEdge;
beforeEach(async () => {
  node = await startEdge({ sessionSealing: sealingWith(key) });
});
afterEach(() => node.edge.stop(0));

const keptSessions = async (of: RunningEdge = node) =>
  Number(/signalbox_edge_legacy_sessions (\d+)/.exec(await of.metricsText())?.[1]);

describe("initialize", () => {
  test.each([
    ["2025-11-25", "2025-11-25"],
    ["2025-03-26", "2025-03-26"],
    ["2024-11-05", "2024-11-05"],
    ["2019-01-01", "2025-11-25"],
    ["2026-07-28", "2025-11-25"],
  ])("for %s is answered with %s", async (asked, given) => {
    const answer = await ask(node.port, { body: initializeBody({}, asked), headers: headersOf(undefined) });
    expect(answer.json.result?.["protocolVersion"]).toBe(given);
  });

  test.each([
    { protocolVersion: 7, capabilities: {}, clientInfo: {} },
    { protocolVersion: "2025-11-25", capabilities: [], clientInfo: {} },
    { protocolVersion: "2025-11-25", capabilities: {} },
  ])("that makes no sense is refused and makes no session: %j", async (params) => {
    const body = message("initialize", params);
    const answer = await ask(node.port, { body, headers: headersOf(undefined) });
    expect(answer).toMatchObject({ status: 400, json: { id: 1, error: { code: -32602 } } });
    expect(answer.headers.has("mcp-session-id")).toBe(false);
  });

  test("with capabilities beyond the bound counts as declaring none", async () => {
    const id = await openSession(node.port, "token-a", { experimental: { x: "y".repeat(3_000) } });
    await post(node.port, id, message("tools/call", { name: "echo" }));
    expect(node.calls.inputs[0]?.profile.key).toBe("{}");
    expect(id.length).toBeLessThan(1_000);
  });
});

describe("a session", () => {
  test("exists only for the principal that opened it; to others it looks unknown", async () => {
    const id = await openSession(node.port);
    expect((await post(node.port, id, message("tools/list"))).body).toContain("for a");
    const foreign = await post(node.port, id, message("tools/list"), "token-b");
    const unknown = await post(node.port, "ses_unknown", message("tools/list"), "token-b");
    expect([foreign.status, unknown.status]).toEqual([404, 404]);
    expect(foreign.body).toBe(unknown.body);
    expect((await post(node.port, id, message("tools/list"))).status).toBe(200);
  });

  test("of another tenant or of another chain is none", async () => {
    const principals: Record<string, Principal> = {
      own: principalNamed("a"),
      otherTenant: { ...principalNamed("a"), tenant: "elsewhere" as TenantId },
      onBehalf: { ...principalNamed("a"), chain: [principalNamed("b")] },
    };
    const edge = await startEdge({
      sessionSealing: sealingWith(key),
      authenticate: (token) => ok(principals[token] ?? principalNamed("nobody")),
    });
    const id = await openSession(edge.port, "own");
    expect((await post(edge.port, id, message("ping"), "own")).status).toBe(200);
    for (const token of ["otherTenant", "onBehalf"])
      expect((await post(edge.port, id, message("ping"), token)).status).toBe(404);
    await edge.edge.stop(0);
  });

  test("with an id that is forged, cut, changed or of another installation is none, and nobody falls over", async () => {
    const id = await openSession(node.port);
    const changed = `${id.startsWith("A") ? "B" : "A"}${id.slice(1)}`;
    const foreign = sealingWith().seal(JSON.stringify([1, "default\nagent/a", "2025-11-25", "{}", 0, "key"]));
    const future = sealingWith(key).seal(JSON.stringify([2, "default\nagent/a"]));
    for (const bad of [
      id.slice(0, -3),
      id.slice(3),
      changed,
      foreign,
      future,
      "x",
      "A".repeat(8_000),
      "%00",
    ]) {
      for (const method of ["POST", "GET", "DELETE"]) {
        const body = method === "POST" ? message("tools/list") : "";
        const answer = await ask(node.port, { method, body, headers: headersOf(bad) });
        expect([method, answer.status]).toEqual([method, 404]);
      }
    }
    expect(await keptSessions()).toBe(0);
  });

  test("goes on at another node with the same keys, and after a restart", async () => {
    const id = await openSession(node.port, "token-a", { roots: {} });
    await node.edge.stop(0);
    const other = await startEdge({ sessionSealing: sealingWith(key) });
    const answer = await post(other.port, id, message("tools/call", { name: "echo" }));
    expect(answer.status).toBe(200);
    expect(other.calls.inputs[0]?.profile.capabilities).toEqual({ roots: {} });
    await other.edge.stop(0);
  });

  test("of which nothing is open costs nothing", async () => {
    for (let i = 0; i < 20; i++) {
      const id = await openSession(node.port);
      await post(node.port, id, message("tools/call", { name: "echo" }));
    }
    expect(await keptSessions()).toBe(0);
  });

  test("ends with its token", async () => {
    const id = await openSession(node.port);
    node.revoked.add("token-a");
    expect((await post(node.port, id, message("tools/list"))).status).toBe(401);
  });

  test("is ended by DELETE, after which it is unknown and its streams are closed", async () => {
    const id = await openSession(node.port);
    const other = await openSession(node.port);
    const stream = await listen(node.port, id);
    expect((await end(node.port, id, "token-b")).status).toBe(404);
    expect((await end(node.port, id)).status).toBe(200);
    await stream.until(() => stream.text.endsWith("0\r\n\r\n"));
    for (const method of ["POST", "GET", "DELETE"]) {
      const body = method === "POST" ? message("ping") : "";
      expect((await ask(node.port, { method, body, headers: headersOf(id) })).status).toBe(404);
    }
    expect((await post(node.port, other, message("ping"))).status).toBe(200);
    expect(await keptSessions()).toBe(0);
    stream.destroy();
  });

  test("withdraws its calls when it is ended", async () => {
    const id = await openSession(node.port);
    const waiting = post(node.port, id, message("tools/call", { name: "wait" }));
    await until(() => node.calls.inputs.length === 1);
    await end(node.port, id);
    expect((await waiting).status).toBe(202);
    expect(node.calls.aborted).toEqual(["wait"]);
  });

  test("expires, and nothing but time makes it so", async () => {
    const clock = new ManualClock();
    const edge = await startEdge({
      sessionSealing: sealingWith(key),
      clock,
      bounds: { sessionLifetimeMs: 1_000 },
    });
    const id = await openSession(edge.port);
    clock.advance(999);
    expect((await post(edge.port, id, message("ping"))).status).toBe(200);
    clock.advance(1);
    expect((await post(edge.port, id, message("ping"))).status).toBe(404);
    await edge.edge.stop(0);
  });

  test("remembers only so many ended ids", async () => {
    const small = await startEdge({ sessionSealing: sealingWith(key), bounds: { sessionsEndedMax: 1 } });
    const [first, second] = [await openSession(small.port), await openSession(small.port)];
    await end(small.port, first);
    await end(small.port, second);
    expect((await post(small.port, second, message("ping"))).status).toBe(404);
    await small.edge.stop(0);
  });
});

describe("what is kept of a session", () => {
  test("is forgotten when it is idle, and not while a stream is open", async () => {
    const clock = new ManualClock();
    const quick = await startEdge({
      sessionSealing: sealingWith(key),
      clock,
      bounds: { sessionIdleMs: 1_000 },
    });
    const [idle, busy] = [await openSession(quick.port), await openSession(quick.port)];
    await post(quick.port, idle, message("resources/subscribe", { uri: "test://plain" }));
    const stream = await listen(quick.port, busy);
    expect(await keptSessions(quick)).toBe(2);
    clock.advance(5_000);
    expect(await keptSessions(quick)).toBe(1);
    expect(quick.calls.subscriptions.size).toBe(0);
    expect((await post(quick.port, idle, message("ping"))).status).toBe(200);
    stream.destroy();
    await until(async () => (await keptSessions(quick)) === 0);
    await quick.edge.stop(0);
  });

  test("of one principal is bounded: the oldest without a stream makes room, and none of another's does", async () => {
    const small = await startEdge({
      sessionSealing: sealingWith(key),
      bounds: { sessionsPerPrincipalMax: 2, sessionsMax: 3 },
    });
    const level = (level: string) => message("logging/setLevel", { level });
    const [other, first, second, third] = [
      await openSession(small.port, "token-b"),
      await openSession(small.port),
      await openSession(small.port),
      await openSession(small.port),
    ];
    await post(small.port, other, level("error"), "token-b");
    await post(small.port, first, level("error"));
    await post(small.port, second, level("error"));
    await post(small.port, third, level("error"));
    expect(await keptSessions(small)).toBe(3);
    const stream = await listen(small.port, third);
    const another = await listen(small.port, second);
    const refused = await ask(small.port, { method: "GET", headers: headersOf(first) });
    expect(refused.status).toBe(429);
    const late = await openSession(small.port, "token-c");
    const full = await post(small.port, late, level("error"), "token-c");
    expect(full.json.error?.code).toBe(-31101);
    for (const each of [stream, another]) each.destroy();
    await small.edge.stop(0);
  });

  test("survives any number of streams of one session: the oldest ones end", async () => {
    const id = await openSession(node.port);
    const streams: RawConnection[] = [];
    for (let i = 0; i < 5; i++) streams.push(await listen(node.port, id));
    await streams[0]?.until(() => streams[0]?.text.endsWith("0\r\n\r\n") ?? false);
    await streams[1]?.until(() => streams[1]?.text.endsWith("0\r\n\r\n") ?? false);
    expect(await keptSessions()).toBe(1);
    for (const stream of streams) stream.destroy();
    await until(async () => (await keptSessions()) === 0);
  });
});

describe("a message", () => {
  test("outside a session is told what is missing", async () => {
    const answer = await ask(node.port, { body: message("tools/list"), headers: headersOf(undefined) });
    expect(answer).toMatchObject({ status: 400, json: { id: 1, error: { code: -32600 } } });
  });

  test.each(["2023-01-01", "1", ""])("of an unknown revision %j is refused", async (version) => {
    const id = await openSession(node.port);
    const headers = { ...headersOf(id), "MCP-Protocol-Version": version };
    const answer = await ask(node.port, { body: message("ping"), headers });
    expect(answer).toMatchObject({ status: 400, json: { error: { code: -32022 } } });
  });

  test("that is a batch is refused in words", async () => {
    const id = await openSession(node.port);
    const answer = await post(node.port, id, `[${message("ping")}]`);
    expect(answer.status).toBe(400);
    expect(answer.json.error?.message).toContain("Batches are not accepted");
  });

  test("that is a notification is accepted, whatever it says", async () => {
    const id = await openSession(node.port);
    for (const method of ["notifications/initialized", "notifications/roots/list_changed", "notifications/x"])
      expect((await post(node.port, id, notice(method))).status).toBe(202);
  });

  test("for a method that nobody knows, or with wrong parameters, is an error under 200", async () => {
    const id = await openSession(node.port);
    const cases = [
      [message("tasks/get", {}), -32601],
      [message("tools/call", {}), -32602],
      [message("resources/read", { uri: "test://nowhere" }), -32002],
      [message("skills/get", { uri: "test://nowhere" }), -32602],
      [message("resources/directory/read", { uri: "test://nowhere" }), -32602],
      [message("resources/subscribe", { uri: 7 }), -32602],
      [message("logging/setLevel", { level: "loud" }), -32602],
      [message("tools/list", { cursor: "made up" }), -32602],
    ] as const;
    for (const [body, code] of cases)
      expect(await post(node.port, id, body)).toMatchObject({ status: 200, json: { error: { code } } });
  });

  test("GET and DELETE without a session are not allowed, and GET asks for events", async () => {
    for (const method of ["GET", "DELETE"]) {
      const answer = await ask(node.port, { method, headers: { "Content-Length": undefined } });
      expect(answer.status).toBe(405);
      expect(answer.headers.get("allow")).toBe("POST");
    }
    const id = await openSession(node.port);
    const headers = { ...headersOf(id), Accept: "application/json" };
    expect((await ask(node.port, { method: "GET", headers })).status).toBe(406);
  });
});

describe("a call", () => {
  test("that reads something is told nothing of caching, which this era does not have", async () => {
    const id = await openSession(node.port);
    for (const method of ["resources/read", "skills/get", "resources/directory/read"]) {
      const { json } = await post(node.port, id, message(method, { uri: "test://kept" }));
      expect(json.result).toMatchObject({ contents: [{ text: "hello" }] });
      expect(json.result).not.toHaveProperty("ttlMs");
      expect(json.result).not.toHaveProperty("cacheScope");
    }
  });

  test("is answered with JSON, and with a stream when something comes before the answer", async () => {
    const id = await openSession(node.port);
    const plain = await post(node.port, id, message("tools/call", { name: "echo" }));
    expect(plain.headers.get("content-type")).toBe("application/json");
    const params = { name: "progress", _meta: { progressToken: "mine" } };
    const stream = streaming(node.port, id, message("tools/call", params, 7));
    await stream.until(() => events(stream).some((event) => event.id === 7));
    expect(events(stream).map(({ method, params: told }) => [method, told?.["progressToken"]])).toEqual([
      ["notifications/progress", "mine"],
      ["notifications/progress", "mine"],
      ["notifications/progress", "mine"],
      [undefined, undefined],
    ]);
    stream.destroy();
  });

  test("that is long in coming becomes a stream by itself", async () => {
    const slow = await startEdge({ bounds: { keepAliveCommentMs: 20 } });
    const id = await openSession(slow.port);
    const stream = streaming(slow.port, id, message("tools/call", { name: "wait" }));
    await stream.until(() => stream.text.includes(": keep-alive"));
    slow.calls.releaseAll();
    await stream.until(() => events(stream).length === 1);
    stream.destroy();
    await slow.edge.stop(0);
  });

  test("goes on when its connection is lost, and is withdrawn by a notification", async () => {
    const id = await openSession(node.port);
    const lost = streaming(node.port, id, message("tools/call", { name: "wait" }, "lost"));
    const kept = streaming(node.port, id, message("tools/call", { name: "wait" }, "kept"));
    await until(() => node.calls.inputs.length === 2);
    lost.destroy();
    await post(node.port, id, notice("notifications/cancelled", { requestId: "nobody's" }));
    expect(node.calls.aborted).toEqual([]);
    await post(node.port, id, notice("notifications/cancelled", { requestId: "kept" }));
    await kept.until(() => kept.text.includes("HTTP/1.1 202"));
    expect(node.calls.aborted).toEqual(["wait"]);
    await post(node.port, id, notice("notifications/cancelled", { requestId: "lost" }));
    expect(node.calls.aborted).toEqual(["wait", "wait"]);
    kept.destroy();
  });

  test("of another session cannot be withdrawn", async () => {
    const [own, other] = [await openSession(node.port), await openSession(node.port)];
    const waiting = post(node.port, own, message("tools/call", { name: "wait" }, 5));
    await until(() => node.calls.inputs.length === 1);
    await post(node.port, other, notice("notifications/cancelled", { requestId: 5 }));
    node.calls.releaseAll();
    expect((await waiting).status).toBe(200);
  });

  test("has log messages from the level that the session asked for", async () => {
    const id = await openSession(node.port);
    const levels = async () => {
      const stream = streaming(node.port, id, message("tools/call", { name: "log" }));
      await stream.until(() => events(stream).some((event) => event.id === 1));
      stream.destroy();
      return events(stream).flatMap(({ params }) => (params === undefined ? [] : [params["level"]]));
    };
    expect(await levels()).toEqual(["info", "error"]);
    await post(node.port, id, message("logging/setLevel", { level: "debug" }));
    expect(await levels()).toEqual(["debug", "info", "error"]);
    expect(node.calls.inputs.map(({ logLevel }) => logLevel)).toEqual(["info", "debug"]);
  });
});
