import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { faultOf } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { able, answering, elicit, sent } from "../../test/fixtures/wire-asks.ts";
import { callOf, saidIn, WireHarness } from "../../test/fixtures/wire-harness.ts";
import type { Profile } from "../registry/index.ts";
import { noCapabilities, profileOf } from "../registry/index.ts";
import type { Ask, UpstreamRequest } from "./index.ts";

let harness: WireHarness;

beforeEach(() => {
  harness = new WireHarness();
});

afterEach(async () => {
  await harness.stop();
  expect(harness.net.poolCount).toBe(0);
});

describe("a modern server", () => {
  it.each(["json", "events"] as const)(
    "is told what the caller of each request can do (%s)",
    async (answersAs) => {
      const { wire, server, fixture } = await harness.overHttp({ era: "modern", answersAs });
      const meta = async (over: Partial<UpstreamRequest>): Promise<Record<string, unknown>> => {
        const request = callOf(server, "request_seen", {}, over);
        const seen = saidIn(await wire.exchange(request)) as { params: { _meta: Record<string, unknown> } };
        return seen.params._meta;
      };
      expect(await meta({ profile: able, logLevel: "info", meta: { traceparent: "00-1-2-01" } })).toEqual({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "signalbox", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": able.capabilities,
        "io.modelcontextprotocol/logLevel": "info",
        traceparent: "00-1-2-01",
      });
      expect(await meta({})).toMatchObject({ "io.modelcontextprotocol/clientCapabilities": {} });
      expect(await meta({})).not.toHaveProperty("io.modelcontextprotocol/logLevel");
      expect(fixture.requests.every(({ method }) => method === "POST")).toBe(true);
    },
  );

  it("that asks for input gets another round with the answers and its own state", async () => {
    for (const { wire, server } of [
      await harness.overHttp({ era: "modern" }),
      await harness.overStdio({ era: "modern" }),
    ]) {
      const result = {
        resultType: "input_required",
        inputRequests: { who: { method: "elicitation/create", params: { message: "Who?" } } },
        requestState: "opaque é",
      };
      const first = await wire.exchange(callOf(server, "raw_result", { result }, { profile: able }));
      expect(first).toMatchObject({ kind: "input-required", requestState: "opaque é" });
      if (first.kind !== "input-required") throw new Error("it asked for nothing");
      expect({ ...first.requests }).toEqual({
        who: { method: "elicitation/create", params: { message: "Who?" } },
      });
      const round = { inputResponses: { who: { action: "decline" } }, requestState: "opaque é" };
      const second = await wire.exchange(callOf(server, "raw_result", { result }, { profile: able, round }));
      expect(saidIn(second)).toMatchObject({
        params: { name: "raw_result", arguments: { result }, ...round },
      });
    }
  });

  it("that asks for what the caller did not declare, or for too much, has answered with garbage", async () => {
    const { wire, server } = await harness.overHttp({ era: "modern" });
    const form = { method: "elicitation/create", params: { message: "x" } };
    const forms = profileOf({ elicitation: {} });
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, form]));
    const cases: [Profile, unknown][] = [
      [noCapabilities, { inputRequests: { a: form } }],
      [forms, { inputRequests: { a: { method: "sampling/createMessage", params: {} } } }],
      [forms, { inputRequests: { a: { method: "roots/list" } } }],
      [forms, { inputRequests: { a: { method: "elicitation/create", params: { mode: "url" } } } }],
      [able, { inputRequests: { a: { method: "tools/call", params: {} } } }],
      [able, { inputRequests: { a: { method: "sampling/createMessage", params: { tools: [] } } } }],
      [able, { inputRequests: many }],
      [able, { inputRequests: { ["k".repeat(300)]: form } }],
      [able, { inputRequests: { a: { ...form, params: { message: "x".repeat(1_000_000) } } } }],
      [able, { inputRequests: [form] }],
      [able, { requestState: 7 }],
      [able, { requestState: "s".repeat(70_000) }],
      [able, {}],
    ];
    for (const [profile, more] of cases) {
      const result = { resultType: "input_required", ...(more as object) };
      const fault = await faultOf(wire.exchange(callOf(server, "raw_result", { result }, { profile })));
      expect(fault, JSON.stringify(more).slice(0, 100)).toMatchObject({ code: "upstream-garbage" });
    }
  });

  it("may answer with a task only who declared that", async () => {
    const { wire, server, fixture } = await harness.overHttp({ era: "modern" });
    const task = { resultType: "task", taskId: "task 1", status: "working", ttlMs: null, pollIntervalMs: 5 };
    const call = (result: unknown, profile: Profile): UpstreamRequest =>
      callOf(server, "raw_result", { result }, { profile });
    expect(await wire.exchange(call(task, able))).toMatchObject({
      kind: "task",
      value: { taskId: "task 1" },
    });
    for (const bad of [
      { taskId: "" },
      { taskId: 7 },
      { status: "lost" },
      { ttlMs: "1" },
      { pollIntervalMs: -1 },
    ]) {
      const fault = await faultOf(wire.exchange(call({ ...task, ...bad }, able)));
      expect(fault).toMatchObject({ code: "upstream-garbage" });
    }
    expect(await faultOf(wire.exchange(call(task, noCapabilities)))).toMatchObject({
      code: "upstream-garbage",
    });
    const get = callOf(server, "task 1", { taskId: "task 1" }, { method: "tasks/get", profile: able });
    const got = await wire.exchange(get);
    expect(got).toMatchObject({ kind: "result", value: { status: "working", taskId: "task 1" } });
    expect(sent(fixture, "tasks/get")[0]).toMatchObject({ params: { taskId: "task 1" } });
    expect(fixture.requests.at(-1)?.headers).toMatchObject({
      "mcp-name": "task 1",
      "mcp-method": "tasks/get",
    });
  });

  it("that misses a capability is passed on as what the client lacks", async () => {
    const { wire, server } = await harness.overHttp({ era: "modern" });
    const error = {
      code: -32021,
      message: "Missing required client capability",
      data: { requiredCapabilities: { elicitation: { url: {} }, sampling: {} }, internal: "x" },
    };
    expect(await wire.exchange(callOf(server, "raw_error", { error }))).toEqual({
      kind: "rejected",
      error: {
        code: -32021,
        message: "the client did not declare a capability that this needs: elicitation.url, sampling",
        data: { requiredCapabilities: { elicitation: { url: {} }, sampling: {} } },
      },
    });
  });

  it("passes on logs of the call that wants them, at its level", async () => {
    const { wire, server } = await harness.overHttp({ era: "modern", answersAs: "events" });
    const logs: unknown[] = [];
    const levels = ["debug", "warning", "nonsense", "emergency"];
    const over = { logLevel: "warning", onLog: (params: unknown) => logs.push(params) };
    await wire.exchange(callOf(server, "logs", { levels, of: "me" }, over));
    await wire.exchange(callOf(server, "logs", { levels, of: "another" }));
    expect(logs).toEqual([
      { level: "warning", logger: "fixture", data: "warning of me" },
      { level: "emergency", logger: "fixture", data: "emergency of me" },
    ]);
  });

  it("may not ask by a request", async () => {
    for (const { wire, server, owner } of [
      await harness.overHttp({ era: "modern", answersAs: "events" }),
      await harness.overStdio({ era: "modern" }),
    ]) {
      const asked: Ask[] = [];
      const over = { profile: able, onAsk: answering("no", asked) };
      await wire.exchange(callOf(server, "asks", { asks: [elicit(1)], waits: false }, over));
      await until(() => owner.count("refused-request") === 1);
      expect(asked).toEqual([]);
    }
  });
});

describe("subscriptions/listen", () => {
  it("is refused as data by a server that does not know it", async () => {
    for (const { wire } of [
      await harness.overHttp({ era: "modern" }),
      await harness.overStdio({ era: "modern" }),
    ]) {
      const ended: unknown[] = [];
      const listener = { onNotification: () => undefined, onEnded: (fault: unknown) => ended.push(fault) };
      const stream = wire.listen('{"notifications":{"toolsListChanged":true}}', able, listener);
      await until(() => ended.length === 1);
      expect(ended[0]).toMatchObject({ code: "upstream-rejected" });
      stream?.close();
    }
  });
});
