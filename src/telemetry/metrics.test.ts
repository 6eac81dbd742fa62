import { describe, expect, test } from "vitest";
import type { CallRecord } from "./call-record.ts";
import { codes } from "../../contract/index.ts";
import { createMetrics } from "./metrics.ts";
import { logFields } from "./names.ts";
import { lineOf } from "./record-call.ts";

const record = (over: Partial<CallRecord> = {}): CallRecord => ({
  requestId: "req_1",
  call: "call_1",
  run: "nightly",
  step: "s1",
  tool: "files__read",
  isKnownTool: true,
  argumentsHash: "q83vEjRWeJCrze8SNFZ4kA==",
  decision: "allow",
  reasons: ["p1", "p2"],
  stations: { names: ["plan", "execute"], queueMs: [0.01, 1], workMs: [0.2, 30] },
  outcome: "succeeded",
  isError: false,
  code: null,
  resultBytes: 100,
  estimatedTokens: 25,
  cached: false,
  recalled: false,
  principal: "agent/a",
  tenant: "default",
  traceparent: null,
  totalMs: 31.5,
  ...over,
});

describe("metrics", () => {
  test("count a call by tool, outcome and cause, and its times per station", async () => {
    const metrics = createMetrics();
    metrics.observeCall(record());
    metrics.observeCall(record({ outcome: "refused", code: "denied", decision: "deny" }));
    metrics.observeCall(record({ isError: true }));
    const text = await metrics.text();
    expect(text).toContain('signalbox_calls_total{tool="files__read",outcome="succeeded",cause="none"} 1');
    expect(text).toContain('signalbox_calls_total{tool="files__read",outcome="refused",cause="policy"} 1');
    expect(text).toContain('signalbox_calls_total{tool="files__read",outcome="succeeded",cause="tool"} 1');
    expect(text).toContain('signalbox_call_codes_total{code="denied"} 1');
    expect(text).toContain('signalbox_station_work_seconds_bucket{station="execute",le="0.025"} 0');
    expect(text).toContain('signalbox_station_work_seconds_bucket{station="execute",le="0.05"} 3');
    expect(text).toContain('signalbox_station_work_seconds_bucket{station="execute",le="+Inf"} 3');
    expect(text).toContain('signalbox_station_work_seconds_sum{station="execute"} 0.09');
    expect(text).toContain("signalbox_call_seconds_count 3");
    expect(text).toContain("# TYPE signalbox_call_seconds histogram");
    expect(text).toContain("signalbox_result_bytes_total 300");
  });

  test("serve every code from the start, so that the first time counts", async () => {
    const metrics = createMetrics();
    const before = await metrics.text();
    for (const name of ["signalbox_call_codes_total", "signalbox_edge_refusals_total"])
      for (const code of Object.keys(codes)) expect(before).toContain(`${name}{code="${code}"} 0\n`);
    metrics.observeCall(record({ outcome: "failed", code: "internal" }));
    metrics.countEdgeRefusal("run-in-review");
    const after = await metrics.text();
    expect(after).toContain('signalbox_call_codes_total{code="internal"} 1\n');
    expect(after).toContain('signalbox_edge_refusals_total{code="run-in-review"} 1\n');
  });

  test("give at most so many tools a label, and none to a stranger's invention", async () => {
    const metrics = createMetrics({ toolLabelsMax: 3 });
    for (let i = 0; i < 1000; i++) metrics.observeCall(record({ tool: `tool${i}` }));
    for (let i = 0; i < 1000; i++) metrics.observeCall(record({ tool: `guess${i}`, isKnownTool: false }));
    const lines = (await metrics.text())
      .split("\n")
      .filter((line) => line.startsWith("signalbox_calls_total"));
    expect(lines).toEqual([
      'signalbox_calls_total{tool="tool0",outcome="succeeded",cause="none"} 1',
      'signalbox_calls_total{tool="tool1",outcome="succeeded",cause="none"} 1',
      'signalbox_calls_total{tool="tool2",outcome="succeeded",cause="none"} 1',
      'signalbox_calls_total{tool="other",outcome="succeeded",cause="none"} 1997',
    ]);
  });

  test("read gauges at the scrape, with only the labels that are theirs, and survive one that throws", async () => {
    const metrics = createMetrics();
    let value = 1;
    metrics.gauge("serverHealth", () => [
      { labels: { server: 'a"b\n', state: "down", cause: "dependency", surprise: "x" }, value },
    ]);
    metrics.gauge("storeQueue", () => {
      throw new Error("the store is closed");
    });
    expect(await metrics.text()).toContain(
      'signalbox_server_health{server="a\\"b\\n",state="down",cause="dependency"} 1',
    );
    value = 2;
    expect(await metrics.text()).toContain('cause="dependency"} 2');
  });

  test("a clock that went wrong does not poison a sum", async () => {
    const metrics = createMetrics();
    metrics.observeCall(record({ totalMs: Number.NaN }));
    metrics.observeCall(record({ totalMs: -5 }));
    metrics.observeCall(record({ totalMs: 1000 }));
    expect(await metrics.text()).toContain("signalbox_call_seconds_sum 1\n");
  });
});

describe("the line of a call", () => {
  test("is one line of JSON with every field under its name", () => {
    const line = lineOf(record(), 1_767_225_600_000);
    expect(line.endsWith("\n")).toBe(true);
    expect(JSON.parse(line)).toEqual({
      level: "info",
      time: 1_767_225_600_000,
      msg: "call",
      requestId: "req_1",
      call: "call_1",
      run: "nightly",
      step: "s1",
      tool: "files__read",
      argumentsHash: "q83vEjRWeJCrze8SNFZ4kA==",
      decision: "allow",
      reasons: ["p1", "p2"],
      queueUs: { plan: 10, execute: 1000 },
      workUs: { plan: 200, execute: 30_000 },
      outcome: "succeeded",
      isError: false,
      code: null,
      resultBytes: 100,
      estimatedTokens: 25,
      cached: false,
      recalled: false,
      principal: "agent/a",
      tenant: "default",
      traceparent: null,
      totalUs: 31_500,
    });
  });

  test("names a station that did not wait under its work alone", () => {
    const stations = { names: ["plan"], queueMs: [0], workMs: [0.2] };
    expect(JSON.parse(lineOf(record({ stations }), 1))).toMatchObject({ queueUs: {}, workUs: { plan: 200 } });
  });

  test("has no field that the table of names does not list", () => {
    const line = JSON.parse(lineOf(record(), 1)) as object;
    for (const name of Object.keys(line)) expect(Object.values(logFields)).toContain(name);
  });

  test("stays one line of JSON and keeps a secret, whatever a caller chose as names", () => {
    const evil = 'x"},\r\n{"level":"fatal"\u001b[2J\u2028 Bearer c4n4ry sbk_c4n4ry';
    const line = lineOf(record({ tool: evil, step: evil, run: evil.repeat(100), reasons: [evil] }), 1);
    for (const char of ["\n", "\r", "\u001b", "\u2028"]) expect(line.trimEnd()).not.toContain(char);
    expect(line).not.toContain("c4n4ry");
    expect(line.length).toBeLessThan(3000);
    expect((JSON.parse(line) as { level: string }).level).toBe("info");
  });

  test("names a tool the same way each time, however many were named in between", () => {
    const toolIn = (tool: string) => (JSON.parse(lineOf(record({ tool }), 1)) as { tool: string }).tool;
    const names = Array.from({ length: 3_000 }, (_, n) => `files__tool_${n}`);
    for (let round = 0; round < 2; round++) {
      for (const name of names) expect(toolIn(name)).toBe(name);
      expect(toolIn("sbk_c4n4ry")).not.toContain("c4n4ry");
    }
  });

  test("stays JSON when a number is none", () => {
    JSON.parse(lineOf(record({ totalMs: Number.NaN, resultBytes: Number.POSITIVE_INFINITY * 0 }), 1));
  });
});
