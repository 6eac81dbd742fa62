import { describe, expect, test } from "vitest";
import { passedOnMeta, repeatNames } from "./request-meta.ts";

describe("what of _meta goes upstream", () => {
  test("trace context and unknown keys, nothing of ours and nothing of this hop", () => {
    expect(
      passedOnMeta({
        traceparent: "00-1",
        "com.example/x": { a: 1 },
        progressToken: 7,
        "dev.signalbox/run": "r",
        "dev.signalbox/call": "forged",
        "dev.signalbox/verifies": "forged",
        "io.modelcontextprotocol/clientInfo": {},
        "io.modelcontextprotocol/clientCapabilities": { roots: {} },
        "io.modelcontextprotocol/related-task": { taskId: "of another hop" },
        "io.modelcontextprotocol/an-extension": { b: 2 },
      }),
    ).toEqual({
      traceparent: "00-1",
      "com.example/x": { a: 1 },
      "io.modelcontextprotocol/an-extension": { b: 2 },
    });
  });
});

describe("the names that make a call repeat-safe", () => {
  const refusalOf = (meta: Record<string, unknown>) => {
    const result = repeatNames(meta);
    return result.ok ? null : result.refusal.detail;
  };

  test("may be absent", () => {
    expect(repeatNames({ traceparent: "x" })).toEqual({ ok: true, value: null });
  });

  test("are a run with a step and an attempt, or a key", () => {
    expect(
      repeatNames({ "dev.signalbox/run": "r:1", "dev.signalbox/step": "s.1", "dev.signalbox/attempt": 2 }),
    ).toEqual({ ok: true, value: { run: "r:1", step: "s.1", attempt: 2, key: null } });
    expect(repeatNames({ "dev.signalbox/key": "k" })).toMatchObject({ ok: true, value: { key: "k" } });
  });

  test.each([
    [{ "dev.signalbox/run": "" }, /run/],
    [{ "dev.signalbox/run": "a b" }, /run/],
    [{ "dev.signalbox/run": "x".repeat(129) }, /run/],
    [{ "dev.signalbox/run": 7 }, /run/],
    [{ "dev.signalbox/step": "s" }, /need/],
    [{ "dev.signalbox/run": "r", "dev.signalbox/attempt": 0 }, /attempt/],
    [{ "dev.signalbox/run": "r", "dev.signalbox/attempt": "1" }, /attempt/],
    [{ "dev.signalbox/run": "r", "dev.signalbox/step": "s", "dev.signalbox/key": "k" }, /either/],
  ])("refuse %j", (meta, expected) => {
    expect(refusalOf(meta)).toMatch(expected);
  });
});
