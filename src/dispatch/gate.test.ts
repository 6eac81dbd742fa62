import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock, deadlineIn } from "../base/index.ts";
import type { Result } from "../base/index.ts";
import { Gate } from "./index.ts";
import type { Bound, Leave } from "./index.ts";

const never = new AbortController().signal;
const setUp = (waitingMax = 100) => {
  const clock = new ManualClock();
  const gate = new Gate({ clock, waitingMax });
  const enter = (bounds: readonly Bound[], ms = 1000, signal = never) =>
    gate.enter(bounds, deadlineIn(clock, ms), signal);
  return { clock, gate, enter };
};
const one: readonly Bound[] = [{ key: "a", max: 1 }];
const leaveOf = (result: Result<Leave> | Promise<Result<Leave>>): Leave => {
  if (result instanceof Promise || !result.ok) throw new Error("did not enter at once");
  return result.value;
};

describe("the gate", () => {
  test("lets in at once while there is room, without a promise", () => {
    const { enter, gate } = setUp();
    const leave = leaveOf(enter(one));
    expect(gate.insideOf("a")).toBe(1);
    leave();
    leave();
    expect(gate.insideOf("a")).toBe(0);
  });

  test("lets in now or not at all whoever does not wait", () => {
    const { enter, gate } = setUp();
    const leave = gate.tryEnter(one);
    expect(leave).not.toBeNull();
    expect(gate.tryEnter(one)).toBeNull();
    expect(gate.tryEnter([{ key: "b", max: 1 }, ...one])).toBeNull();
    expect(gate.insideOf("b")).toBe(0);
    leave?.();
    leaveOf(enter(one));
  });

  test("lets the next one in when somebody leaves, in order of arrival", async () => {
    const { enter } = setUp();
    const leave = leaveOf(enter(one));
    const order: string[] = [];
    const second = Promise.resolve(enter(one)).then((result) => (order.push("second"), result));
    const third = Promise.resolve(enter(one)).then((result) => (order.push("third"), result));
    leave();
    leaveOf(await second)();
    leaveOf(await third)();
    expect(order).toEqual(["second", "third"]);
  });

  test("refuses at the deadline and names the bound", async () => {
    const { clock, enter, gate } = setUp();
    leaveOf(enter(one));
    const waiting = enter(one, 50);
    clock.advance(51);
    expect(await waiting).toMatchObject({
      ok: false,
      refusal: { code: "too-many-calls", evidence: { key: "a" } },
    });
    expect(gate.waiting).toBe(0);
  });

  test("knows how long the one has waited that waits longest", async () => {
    const { clock, enter, gate } = setUp();
    const leave = leaveOf(enter(one));
    expect(gate.oldestWaitMs).toBe(0);
    const first = enter(one);
    clock.advance(300);
    const second = enter(one);
    clock.advance(100);
    expect(gate.oldestWaitMs).toBe(400);
    leave();
    const next = leaveOf(await first);
    expect(gate.oldestWaitMs).toBe(100);
    next();
    await second;
    expect(gate.oldestWaitMs).toBe(0);
  });

  test("refuses when too many wait", () => {
    const { enter } = setUp(1);
    leaveOf(enter(one));
    void enter(one);
    expect(enter(one)).toMatchObject({ ok: false, refusal: { code: "queue-full" } });
  });

  test("forgets a waiter whose caller went away, also when it was gone before", async () => {
    const { enter, gate } = setUp();
    const leave = leaveOf(enter(one));
    const controller = new AbortController();
    const waiting = enter(one, 1000, controller.signal);
    controller.abort();
    expect(await waiting).toMatchObject({ ok: false, refusal: { code: "cancelled" } });
    expect(await enter(one, 1000, AbortSignal.abort())).toMatchObject({ refusal: { code: "cancelled" } });
    leave();
    expect(gate.insideOf("a")).toBe(0);
  });

  test("never lets more in than a bound allows, and lets everybody in at last", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }), { maxLength: 40 }),
        async (wishes) => {
          const { enter, gate } = setUp(1000);
          const max = { a: 1, b: 2, c: 3 };
          let entered = 0;
          const work = wishes.map(async (keys) => {
            const bounds = [...new Set(keys)].map((key) => ({ key, max: max[key as "a"] }));
            const result = await enter(bounds);
            if (!result.ok) throw new Error(result.refusal.code);
            entered++;
            for (const bound of bounds) expect(gate.insideOf(bound.key)).toBeLessThanOrEqual(bound.max);
            await Promise.resolve();
            result.value();
          });
          await Promise.all(work);
          expect(entered).toBe(wishes.length);
          expect(["a", "b", "c"].map((key) => gate.insideOf(key))).toEqual([0, 0, 0]);
        },
      ),
    );
  });
});
