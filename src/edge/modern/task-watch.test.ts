import { describe, expect, test } from "vitest";
import { ManualClock } from "../../base/index.ts";
import type { CallAnswer } from "../../calls/index.ts";
import { TaskWatch } from "./task-watch.ts";

type Task = Readonly<Record<string, unknown>>;

function watching(states: (Task | "gone" | "broken")[]) {
  const clock = new ManualClock();
  const told: Task[] = [];
  let looks = 0;
  const watch = new TaskWatch({
    clock,
    look: async (): Promise<CallAnswer> => {
      const state = states[Math.min(looks++, states.length - 1)];
      if (state === "broken") throw new Error("c4n4ry");
      if (state === undefined || state === "gone")
        return { kind: "refused", refusal: { code: "unknown-task", detail: "" }, receipt: null };
      return { kind: "result", text: JSON.stringify({ resultType: "complete", ...state }), receipt: null };
    },
    tell: (task) => told.push(task) > 0,
  });
  const pass = async (ms: number) => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { watch, told, pass, looks: () => looks };
}

describe("watching a task", () => {
  test("tells how it stands, then each change once, and no more once it is over", async () => {
    const working = { taskId: "t", status: "working", pollIntervalMs: 2_000 };
    const done = { taskId: "t", status: "completed", result: { content: [] } };
    const { watch, told, pass, looks } = watching([working, working, done]);
    expect(await watch.look()).toBe(true);
    watch.begin();
    expect(told).toEqual([working]);
    await pass(2_000);
    expect(told).toHaveLength(1);
    await pass(2_000);
    expect(told).toEqual([working, done]);
    await pass(100_000);
    expect(looks()).toBe(3);
  });

  test("asks no more often than once a second, whatever the server suggests", async () => {
    const { watch, pass, looks } = watching([{ status: "working", pollIntervalMs: 1 }]);
    await watch.look();
    watch.begin();
    await pass(900);
    expect(looks()).toBe(1);
    await pass(100);
    expect(looks()).toBe(2);
  });

  test("of somebody else is no watch at all", async () => {
    expect(await watching(["gone"]).watch.look()).toBe(false);
  });

  test("goes on after a look that failed, and ends when the task is gone or nobody listens", async () => {
    const working = { status: "working", pollIntervalMs: 1_000 };
    const { watch, pass, looks } = watching([working, "broken", working, "gone"]);
    await watch.look();
    watch.begin();
    for (let i = 0; i < 10; i++) await pass(1_000);
    expect(looks()).toBe(4);
    const stopped = watching([working]);
    await stopped.watch.look();
    stopped.watch.begin();
    stopped.watch.stop();
    await stopped.pass(10_000);
    expect(stopped.looks()).toBe(1);
  });
});
