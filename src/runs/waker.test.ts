import { describe, expect, test } from "vitest";
import { plusMs, seededRandom, storeMs } from "../base/index.ts";
import { aliveForMs, startFirstMs } from "./limits.ts";
import { agent, openRuns, otherAgent, value } from "./runs.fixture.ts";
import { signalWrites } from "./signals.ts";
import type { Watched } from "./waker.fixture.ts";
import { watched } from "./waker.fixture.ts";

const first = { name: "nightly", attempt: 1 } as const;

describe("an agent that has died", () => {
  test("is started again once it has said nothing for long enough, and by one node alone", async () => {
    const { hook, pass, runs, entries } = await watched(3);
    await pass(aliveForMs - 2_000);
    expect(hook.orders).toEqual([]);
    await value(runs.alive(agent, first));
    await pass(aliveForMs - 2_000);
    expect(hook.orders).toEqual([]);
    await pass(4_000);
    expect(hook.orders).toMatchObject([{ name: "nightly", attempt: 1, start: 1 }]);
    await pass(startFirstMs - 5_000);
    expect(hook.orders).toHaveLength(1);
    const started = (await entries()).filter(({ entry }) => entry.method === "runs/started");
    expect(started.map(({ entry }) => entry.id)).toEqual(hook.orders.map(({ id }) => id));
  });

  test("and attaches in time is left alone as long as it says that it lives", async () => {
    const { hook, pass, runs } = await watched();
    await pass(aliveForMs + 1_000);
    await value(runs.attach(agent, "nightly", { deadlineMs: null }));
    for (let n = 0; n < 10; n++) {
      await value(runs.alive(agent, { ...first, attempt: 2 }));
      await pass(aliveForMs - 2_000);
    }
    expect(hook.orders).toHaveLength(1);
  });

  test("waits for its turn while the hook is full, which is no start that failed", async () => {
    const { hook, pass, runs } = await watched();
    hook.room = 0;
    await pass(10 * aliveForMs);
    expect(hook.orders).toEqual([]);
    hook.room = 1;
    await pass(6_000);
    expect(hook.orders).toMatchObject([{ start: 1 }]);
    expect((await value(runs.find(agent, "nightly"))).state).toBe("open");
  });

  test("again and again is started with doubling pauses, and in the end its run is dead, with the reason", async () => {
    const { hook, pass, runs, troubles } = await watched();
    hook.isBroken = true;
    await pass(aliveForMs + 2_000);
    await pass(startFirstMs + 1_000);
    expect(hook.orders).toHaveLength(2);
    await pass(startFirstMs + 1_000);
    expect(hook.orders).toHaveLength(2); // twice as long this time
    await pass(startFirstMs);
    expect(hook.orders.map(({ start }) => start)).toEqual([1, 2, 3]);
    // Nothing has been started, so nothing is waited for either.
    const run = await value(runs.find(agent, "nightly"));
    expect(await runs.endOf(run)).toMatchObject({
      state: "dead",
      reason: "its agent was started 3 times in a row and did not get on: no such program",
    });
    await pass(10 * startFirstMs);
    expect(hook.orders).toHaveLength(3);
    expect(troubles).toHaveLength(3);
  });
});

test("what takes long to attach is given its time, but a start that is known to have failed is not waited for", async () => {
  const { hook, pass } = await watched();
  hook.attachWithinMs = 300_000;
  await pass(aliveForMs + 1_000);
  await pass(297_000);
  expect(hook.orders).toHaveLength(1);
  hook.isBroken = true;
  await pass(4_000);
  expect(hook.orders).toHaveLength(2);
  await pass(2 * startFirstMs);
  expect(hook.orders).toHaveLength(3);
});

describe("a start that is known to have come to nothing", () => {
  test("is on record with its reason and followed by the next after pauses that double; the last reason is the run's", async () => {
    const { hook, pass, runs, waker, entries } = await watched();
    await pass(aliveForMs + 1_000);
    const startedAfter: number[] = [];
    for (let n = 1; n <= hook.startsMax; n++) {
      await value(runs.attach(agent, "nightly", { deadlineMs: null }));
      await waker.lost(hook.orders.slice(-1), `it threw ${n}`);
      let seconds = 0;
      for (; seconds < 60 && hook.orders.length === n; seconds++) await pass(1_000);
      startedAfter.push(seconds);
    }
    expect(startedAfter.slice(0, 2)).toEqual([1, 2]);
    const run = await value(runs.find(agent, "nightly"));
    expect(await runs.endOf(run)).toMatchObject({
      reason: "its agent was started 3 times in a row and did not get on: it threw 3",
    });
    const methods = (await entries()).map(({ entry }) => entry.method);
    expect(methods.filter((method) => method === "runs/lost")).toHaveLength(2);
  });

  test("counts no more once the agent has recorded a step", async () => {
    const { hook, pass, runs, waker } = await watched();
    await pass(aliveForMs + 1_000);
    for (let n = 1; n <= 3 * hook.startsMax; n++) {
      const { run } = await value(runs.attach(agent, "nightly", { deadlineMs: null }));
      const speaker = { name: "nightly", attempt: run.attempt };
      const step = { key: `step-${n}`, kind: "value", input: null, output: n, note: null } as const;
      await value(runs.record(agent, speaker, step));
      await waker.lost(hook.orders.slice(-1), "it threw");
      await pass(2_000);
      expect(hook.orders).toHaveLength(n + 1);
    }
    expect(hook.orders.every(({ start }) => start === 1)).toBe(true);
  });

  test("says nothing about an attempt that somebody else has attached since", async () => {
    const { hook, pass, runs, waker } = await watched();
    await pass(aliveForMs + 1_000);
    await value(runs.attach(agent, "nightly", { deadlineMs: null }));
    await value(runs.attach(agent, "nightly", { deadlineMs: null }));
    await waker.lost(hook.orders, "its process ended");
    await pass(5_000);
    expect(hook.orders).toHaveLength(1);
  });
});

test("a hook is asked for no more starts at once than it has room for", async () => {
  const { hook, pass, runs } = await watched();
  hook.room = 2;
  for (const name of ["b", "c", "d"])
    await value(runs.attach(agent, name, { deadlineMs: null, hook: "starter" }));
  await pass(aliveForMs + 1_000);
  expect(hook.orders).toHaveLength(2);
});

describe("an agent at rest", () => {
  const atRest = async (world: Watched) => {
    await value(world.runs.rest(agent, first, { wakeInMs: null, children: [] }));
    expect(await value(world.runs.find(agent, "nightly"))).toMatchObject({ aliveUntil: null, starts: 0 });
  };

  test("is started when its timer is due, and not before", async () => {
    const world = await watched();
    await value(world.runs.sleep(agent, first, { key: "nap", ms: 3_600_000 }));
    await atRest(world);
    await world.pass(3_600_000 - 5_000);
    expect(world.hook.orders).toEqual([]);
    await world.pass(7_000);
    expect(world.hook.orders).toHaveLength(1);
  });

  test("is started by a signal, also one that comes just before it rests", async () => {
    const wait = { key: "payment", signal: "paid", timeoutMs: null };
    const patience = { holdMs: 0, signal: new AbortController().signal };
    for (const order of ["before", "after"] as const) {
      const world = await watched();
      const send = async () => {
        const run = await value(world.runs.find(agent, "nightly"));
        const writes = await signalWrites(run, "paid", 1, { ...world, random: seededRandom("signal") });
        if (writes.ok) await world.store.commit(writes.value);
      };
      await value(world.runs.wait(agent, first, wait, patience));
      if (order === "before") await send();
      await atRest(world);
      if (order === "after") {
        await world.pass(100_000);
        expect(world.hook.orders).toEqual([]);
        await send();
      }
      await world.pass(2_000);
      expect(world.hook.orders, order).toHaveLength(1);
    }
  });

  test("while people think is started when their time is over, and at once when they have decided already", async () => {
    for (const isDecided of [false, true]) {
      const until = { at: storeMs(0) };
      const world = await watched(1, () =>
        Promise.resolve([
          { step: "pay", approval: "apr_1", groups: ["finance"], until: until.at, isDecided },
        ]),
      );
      until.at = plusMs(await world.store.now(), 3_600_000);
      const [standing] = await world.runs.standing(
        await value(world.runs.find(agent, "nightly")),
        await world.store.now(),
      );
      expect(standing?.kind).toBe(isDecided ? undefined : "approval");
      await atRest(world);
      await world.pass(2_000);
      expect(world.hook.orders).toHaveLength(isDecided ? 1 : 0);
      if (isDecided) continue;
      await world.pass(3_600_000);
      expect(world.hook.orders).toHaveLength(1);
    }
  });

  test("cannot be where nothing would start it, and a hook that is not configured is refused", async () => {
    const { runs } = await openRuns();
    await value(runs.attach(agent, "nightly", { deadlineMs: null }));
    expect(await runs.rest(agent, first, { wakeInMs: null, children: [] })).toMatchObject({
      refusal: { code: "conflict" },
    });
    const attached = await runs.attach(agent, "other", { deadlineMs: null, hook: "starter" });
    expect(attached).toMatchObject({ refusal: { code: "invalid-params" } });
    // A program that works in one agent's name must not be started by another.
    const { runs: withHook } = await watched();
    const foreign = await withHook.attach(otherAgent, "other", { deadlineMs: null, hook: "starter" });
    expect(foreign).toMatchObject({ refusal: { code: "invalid-params" } });
  });
});
