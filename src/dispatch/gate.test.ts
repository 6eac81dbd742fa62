import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock, deadlineIn } from "../base/index.ts";
import type { Result } from "../base/index.ts";
import { Gate } from "./index.ts";
import type { Bound, Leave } from "./index.ts";

const never = new AbortController().signal;
const setUp = (waitingMax = 100, waitingOfOneMax = waitingMax) => {
  const clock = new ManualClock();
  const gate = new Gate({ clock, waitingMax, waitingOfOneMax });
  const enter = (bounds: readonly Bound[], ms = 1000, signal = never, owner = "x") =>
    gate.enter(owner, () => bounds, deadlineIn(clock, ms), signal);
  return { clock, gate, enter };
};
const one: readonly Bound[] = [{ key: "a", max: 1 }];
const leaveOf = (result: Result<Leave> | Promise<Result<Leave>>): Leave => {
  if (result instanceof Promise || !result.ok) throw new Error("did not enter at once");
  return result.value;
};

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** The bounds that the last one waited for, which nobody else holds. */
const giveUp = async (times: number, enter: ReturnType<typeof setUp>["enter"]): Promise<readonly Bound[]> => {
  let bounds: readonly Bound[] = one;
  for (let i = 0; i < times; i++) {
    const controller = new AbortController();
    bounds = [{ ...one[0]! }];
    const waiting = enter(bounds, 1000, controller.signal);
    controller.abort();
    await waiting;
  }
  return bounds;
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

  test("lets those who wait in when a bound has grown, and nobody in nor out when it has shrunk", async () => {
    const { clock, gate } = setUp();
    let max = 1;
    const enter = () => gate.enter("x", () => [{ key: "a", max }], deadlineIn(clock, 1000), never);
    const leave = leaveOf(enter());
    const waiting = [enter(), enter(), enter()];
    max = 3;
    expect(gate.insideOf("a")).toBe(1);
    gate.reconsider();
    expect(gate.insideOf("a")).toBe(3);
    expect(gate.waiting).toBe(1);
    max = 1;
    gate.reconsider();
    expect(gate.insideOf("a")).toBe(3);
    leave();
    leaveOf((await waiting[0]) as Result<Leave>)();
    expect(gate.waiting).toBe(1);
    leaveOf((await waiting[1]) as Result<Leave>)();
    leaveOf((await waiting[2]) as Result<Leave>)();
    expect(gate.insideOf("a")).toBe(0);
  });

  test("tells who has waited in vain of the bound that held it up last", async () => {
    const { clock, gate } = setUp();
    let bounds: readonly Bound[] = one;
    const enter = () => gate.enter("x", () => bounds, deadlineIn(clock, 1000), never);
    leaveOf(gate.enter("x", () => [...one, { key: "b", max: 9 }], deadlineIn(clock, 1000), never));
    const waiting = enter();
    bounds = [{ key: "b", max: 1 }];
    gate.reconsider();
    clock.advance(1001);
    expect(await waiting).toMatchObject({ refusal: { evidence: { key: "b", max: 1 } } });
  });

  test("counts under a bound that came while somebody was inside whoever enters from then on", () => {
    const { clock, gate } = setUp();
    let bounds = one;
    const enter = () => gate.enter("x", () => bounds, deadlineIn(clock, 1000), never);
    const leave = leaveOf(enter());
    leave();
    leaveOf(enter());
    bounds = [{ key: "b", max: 1 }];
    leaveOf(enter())();
    expect(gate.insideOf("b")).toBe(0);
    expect(gate.insideOf("a")).toBe(1);
  });

  test("lets owners take turns: one with many does not stand in front of one with one", async () => {
    const { enter } = setUp();
    const order: string[] = [];
    const leave = leaveOf(enter(one));
    const wait = async (name: string, owner: string): Promise<void> => {
      const result = await enter(one, 1000, never, owner);
      order.push(name);
      leaveOf(result)();
    };
    const all = [
      wait("x1", "x"),
      wait("x2", "x"),
      wait("x3", "x"),
      wait("y1", "y"),
      wait("z1", "z"),
      wait("y2", "y"),
    ];
    leave();
    await Promise.all(all);
    expect(order).toEqual(["x1", "y1", "z1", "x2", "y2", "x3"]);
  });

  test("refuses when too many of one owner wait, and lets others wait", async () => {
    const { enter, gate } = setUp(100, 2);
    const leave = leaveOf(enter(one));
    const waiting = [enter(one), enter(one)];
    expect(enter(one)).toMatchObject({ ok: false, refusal: { code: "too-many-calls" } });
    const other = enter(one, 1000, never, "y");
    expect(gate.waiting).toBe(3);
    leave();
    for (const next of [waiting[0], other, waiting[1]]) leaveOf((await next) as Result<Leave>)();
    const last = enter(one);
    leaveOf(last)();
  });

  test("keeps nothing of those who gave up, however many they were", async () => {
    const { enter, gate } = setUp(3);
    const leave = leaveOf(enter(one));
    const gone = new WeakRef(await giveUp(1_000, enter));
    expect(gate.waiting).toBe(0);
    await expect.poll(() => (collect(), gone.deref() === undefined)).toBe(true);
    leave();
    leaveOf(enter(one))();
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
