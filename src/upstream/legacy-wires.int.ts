import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { able, sent } from "../../test/fixtures/wire-asks.ts";
import { callOf, saidIn, WireHarness } from "../../test/fixtures/wire-harness.ts";
import { deadlineIn, systemClock } from "../base/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { UpstreamRequest } from "./index.ts";

let harness: WireHarness;

beforeEach(() => {
  harness = new WireHarness();
});

afterEach(async () => {
  await harness.stop();
  expect(harness.net.poolCount).toBe(0);
});

describe("a legacy server", () => {
  it.each([
    { name: "HTTP, sessions", open: () => harness.overHttp({ era: "legacy", sessions: true }, able) },
    { name: "HTTP+SSE", open: () => harness.overHttp({ era: "legacy", oldTransport: true }, able) },
  ])("is told at the start what its callers can do ($name)", async ({ open }) => {
    const { wire, fixture } = await open();
    expect(wire.era).toBe("legacy");
    expect(wire.described).toEqual({
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: "fixture", version: "1" },
      instructions: "Be careful.",
    });
    expect(sent(fixture, "initialize")).toHaveLength(1);
    expect(sent(fixture, "initialize")[0]).toMatchObject({
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {
          elicitation: { form: {}, url: {} },
          sampling: {},
          roots: {},
          experimental: { "com.example/x": {} },
          extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html"] } },
        },
      },
    });
    const { params } = sent(fixture, "initialize")[0] as { params: { capabilities: object } };
    expect(Object.keys(params.capabilities).toSorted()).toEqual([
      "elicitation",
      "experimental",
      "extensions",
      "roots",
      "sampling",
    ]);
  });

  it("is set to the least level that is wanted, and each call gets what it wants", async () => {
    for (const { wire, server } of [
      await harness.overHttp({ era: "legacy", answersAs: "events", logs: true, sessions: true }),
      await harness.overStdio({ era: "legacy", logs: true }),
      await harness.overHttp({ era: "legacy", oldTransport: true, logs: true }),
    ]) {
      const logs: unknown[] = [];
      const levels = ["debug", "info", "error"];
      const wants = (logLevel: string): Partial<UpstreamRequest> => ({
        logLevel,
        onLog: ({ level }) => logs.push(`${logLevel}: ${String(level)}`),
      });
      await wire.exchange(callOf(server, "logs", { levels }, wants("error")));
      await wire.exchange(callOf(server, "logs", { levels }, wants("info")));
      await wire.exchange(callOf(server, "logs", { levels }, wants("error")));
      await wire.exchange(callOf(server, "logs", { levels }));
      expect(logs).toEqual(["error: error", "info: info", "info: error", "error: error"]);
    }
    const set = harness.fixtures[0] === undefined ? [] : sent(harness.fixtures[0], "logging/setLevel");
    expect(set.map(({ params }) => params)).toEqual([{ level: "error" }, { level: "info" }]);
  });

  it("does not show one caller the logs of another where they cannot be told apart", async () => {
    const { wire, server } = await harness.overStdio({ era: "legacy", logs: true });
    const logs: unknown[] = [];
    const over = { logLevel: "debug", onLog: (params: unknown) => logs.push(params) };
    const other = wire.exchange(callOf(server, "slow", { ms: 200 }, over));
    await wire.exchange(callOf(server, "logs", { levels: ["error"], of: "secret" }));
    await other;
    expect(logs).toEqual([]);
  });

  it("notifies its owner on every transport", async () => {
    const http = await harness.overHttp({ era: "legacy", speaks: true, sessions: true });
    const sse = await harness.overHttp({ era: "legacy", oldTransport: true });
    for (const { fixture, owner } of [http, sse]) {
      await until(() => fixture.spoken.size === 1);
      fixture.speak('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}');
      await until(() => owner.count("notifications/resources/updated") === 1);
    }
    expect(http.wire.listen("{}", noCapabilities, { onNotification() {}, onEnded() {} })).toBe(null);
  });
});

describe("a legacy stream that ends before its answer", () => {
  it("is resumed after the time that the server asks for", async () => {
    const { wire, server, fixture } = await harness.overHttp({
      era: "legacy",
      answersAs: "events",
      sessions: true,
      resumesAfterMs: 50,
    });
    const reply = await wire.exchange(callOf(server, "comes_back", { ms: 400 }));
    expect(reply).toMatchObject({ kind: "result" });
    const gets = fixture.requests.filter(({ headers }) => headers["last-event-id"] !== undefined);
    expect(gets.length).toBeGreaterThan(0);
    expect(
      gets.every(({ method, headers }) => method === "GET" && headers["mcp-session-id"] !== undefined),
    ).toBe(true);
    expect(sent(fixture, "tools/call")).toHaveLength(1);
  });

  it("is fetched until the deadline, or until the caller withdraws", async () => {
    const options = { era: "legacy", answersAs: "events", resumesAfterMs: 30 } as const;
    const { wire, server, fixture } = await harness.overHttp(options);
    const deadline = deadlineIn(systemClock, 1_500);
    const call = callOf(server, "comes_back", { ms: 60_000 }, { deadline });
    expect(await faultOf(wire.exchange(call))).toMatchObject({
      code: "deadline-exceeded",
      effect: "unknown",
    });
    const fetched = fixture.requests.length;
    const given = new AbortController();
    const work = wire.exchange(callOf(server, "comes_back", { ms: 60_000 }, { signal: given.signal }));
    await until(() => fixture.requests.slice(fetched).some(({ method }) => method === "GET"));
    given.abort();
    expect(await faultOf(work)).toMatchObject({ code: "cancelled", effect: "unknown" });
  });

  it("is lost when the server does not resume it", async () => {
    const { wire, server, fixture } = await harness.overHttp({
      era: "legacy",
      answersAs: "events",
      resumesAfterMs: 30,
    });
    fixture.options = { ...fixture.options, forgetsEvents: true };
    const work = wire.exchange(callOf(server, "comes_back", { ms: 60_000 }));
    expect(await faultOf(work)).toMatchObject({ code: "upstream-lost", effect: "unknown" });
    expect(fixture.requests.filter(({ headers }) => headers["last-event-id"] !== undefined)).toHaveLength(1);
  });

  it("is lost when its events have no ids, or the server has gone", async () => {
    const plain = await harness.overHttp({ era: "legacy", answersAs: "events" });
    const fault = await faultOf(plain.wire.exchange(callOf(plain.server, "comes_back", { ms: 60_000 })));
    expect(fault).toMatchObject({ code: "upstream-lost", effect: "unknown" });
    const gone = await harness.overHttp({ era: "legacy", answersAs: "events", resumesAfterMs: 20 });
    const work = gone.wire.exchange(callOf(gone.server, "comes_back", { ms: 60_000 }));
    await until(() => gone.fixture.requests.some(({ headers }) => headers["last-event-id"] !== undefined));
    await gone.fixture.stop();
    harness.fixtures.splice(harness.fixtures.indexOf(gone.fixture), 1);
    expect(await faultOf(work)).toMatchObject({ code: "upstream-lost", effect: "unknown" });
  });
});

describe("a server of the transport before", () => {
  it("is called, told of withdrawals, and lost with its stream", async () => {
    const { wire, server, fixture, owner } = await harness.overHttp({ era: "legacy", oldTransport: true });
    expect(saidIn(await wire.exchange(callOf(server, "echo", { a: 1 })))).toEqual({ a: 1 });
    const given = new AbortController();
    const work = wire.exchange(callOf(server, "hang", {}, { signal: given.signal }));
    await until(() => (fixture.mcp.executed.get("hang") ?? 0) === 1);
    given.abort();
    expect(await faultOf(work)).toMatchObject({ code: "cancelled", effect: "unknown" });
    await until(() => fixture.mcp.cancelled.length === 1);
    const lost = wire.exchange(callOf(server, "hang"));
    await until(() => (fixture.mcp.executed.get("hang") ?? 0) === 2);
    fixture.endSpoken();
    expect(await faultOf(lost)).toMatchObject({ code: "upstream-lost", effect: "unknown" });
    expect(owner.told).toContain("lost");
    expect(await faultOf(wire.exchange(callOf(server, "echo")))).toMatchObject({
      code: "tool-unavailable",
      effect: "none",
    });
  });

  it("may not name another origin to post to", async () => {
    const options = { era: "legacy", oldTransport: true, postsTo: "http://127.0.0.2:1/messages" } as const;
    expect(await faultOf(harness.overHttp(options))).toMatchObject({ code: "upstream-garbage" });
  });

  it("forbids nothing after a byte has left, and everything before", async () => {
    const { wire, server, fixture } = await harness.overHttp({ era: "legacy", oldTransport: true });
    const forbidden = wire.exchange(callOf(server, "echo", {}, { mayDispatch: () => false }));
    expect(await faultOf(forbidden)).toMatchObject({ code: "deadline-before-dispatch", effect: "none" });
    expect(fixture.mcp.executed.get("echo")).toBe(undefined);
  });
});
