import { describe, expect, test } from "vitest";
import type { Principal } from "../identity/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { listRuns, overdueRuns, runsToWake } from "../ledger/index.ts";
import { seededRandom, storeMs } from "../base/index.ts";
import { dropWrites } from "./dead.ts";
import { startRefused } from "./hook.ts";
import { Deadlines } from "./deadlines.ts";
import { aliveForMs, deadForMs } from "./limits.ts";
import { countLoss, defaultRetries, pauseAfterLoss } from "./retries.ts";
import { agent, value } from "./runs.fixture.ts";
import type { Watched } from "./waker.fixture.ts";
import { watched } from "./waker.fixture.ts";

const vera: Principal = { ...agent, id: "person/vera" as never, kind: "person", name: "vera" };

const nightly = ({ runs }: Watched) => value(runs.find(agent, "nightly"));

/** Its hook refuses the first start, so that it is dead; then the hook is whole again. */
async function dead(): Promise<Watched & { readonly run: RunRecord }> {
  const world = await watched();
  world.hook.isBroken = true;
  world.hook.trouble = startRefused("no such job template");
  await world.pass(aliveForMs + 2_000);
  world.hook.isBroken = false;
  return { ...world, run: await nightly(world) };
}

async function step({ runs }: Watched, attempt: number, key: string): Promise<void> {
  const local = { key, kind: "value", input: null, output: key, note: null } as const;
  await value(runs.record(agent, { name: "nightly", attempt }, local));
}

describe("a run", () => {
  test("whose hook refuses to start its agent is dead at once, with what was said, and nobody starts it", async () => {
    const world = await dead();
    expect(world.run).toMatchObject({ state: "dead", deadReason: "start-refused", starts: 1 });
    expect(await world.runs.endOf(world.run)).toMatchObject({
      state: "dead",
      reason: "what starts its agent refuses to: no such job template",
    });
    await world.pass(10 * aliveForMs);
    expect(world.hook.orders).toHaveLength(1);
    expect(await listRuns(world.store, agent.tenant, { state: "dead", limit: 9 })).toMatchObject([
      { name: "nightly" },
    ]);
  });

  test("whose agent is lost again and again is dead when its retries are used up, although it got on each time", async () => {
    const world = await watched();
    world.hook.retries = { ...defaultRetries, max: 2 };
    await world.pass(aliveForMs + 2_000);
    // Its first silence was a loss, and these are the second and the third.
    for (let n = 1; n <= 2; n++) {
      const { run } = await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
      await step(world, run.attempt, `step-${n}`);
      await world.waker.lost(world.hook.orders.slice(-1), `it threw ${n}`);
      await world.pass(2_000);
    }
    const run = await nightly(world);
    expect(run).toMatchObject({ state: "dead", deadReason: "retries-used-up" });
    expect((await world.runs.endOf(run))?.reason).toBe(
      "its agent was lost 3 times, more than its retries allow: it threw 2",
    );
  });

  test("is not lost by itself when its node stops", async () => {
    const world = await watched();
    world.hook.retries = { ...defaultRetries, max: 1 };
    await world.pass(aliveForMs + 2_000);
    for (let n = 1; n <= 5; n++) {
      const { run } = await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
      await step(world, run.attempt, `step-${n}`);
      await world.waker.lost(world.hook.orders.slice(-1), "its node has stopped", true);
      await world.pass(2_000);
    }
    expect(await nightly(world)).toMatchObject({ state: "open", losses: 1 });
  });

  test("that is attached at the moment of its death lives", async () => {
    const world = await watched();
    world.hook.isBroken = true;
    world.hook.trouble = startRefused("no");
    const start = world.hook.start.bind(world.hook);
    world.hook.start = async (order) => {
      await world.runs.attach(agent, "nightly", { deadlineMs: null });
      await start(order);
    };
    await world.pass(aliveForMs + 2_000);
    expect(world.hook.orders).toHaveLength(1);
    expect(await nightly(world)).toMatchObject({ state: "open", attempt: 2 });
  });

  test("that is dead tells its agent so, and takes no step", async () => {
    const { runs } = await dead();
    const { run } = await value(runs.attach(agent, "nightly", { deadlineMs: null }));
    expect(run).toMatchObject({ state: "dead", attempt: 1 });
    const local = { key: "a", kind: "value", input: null, output: 1, note: null } as const;
    expect(await runs.record(agent, { name: "nightly", attempt: 1 }, local)).toMatchObject({
      refusal: { code: "run-ended" },
    });
  });
});

test("the deadline of a run does not pass while it is dead", async () => {
  const world = await watched();
  world.hook.isBroken = true;
  world.hook.trouble = startRefused("no");
  const name = "timed";
  await value(world.runs.attach(agent, name, { deadlineMs: 2 * aliveForMs, hook: "starter" }));
  await world.pass(5 * aliveForMs);
  expect(await value(world.runs.find(agent, name))).toMatchObject({ state: "dead" });
  expect(await overdueRuns(world.store, await world.store.now(), 9)).toEqual([]);
});

test("a dead run that nobody has retried is dropped in the end, and says why", async () => {
  const world = await dead();
  const troubles: unknown[] = [];
  const deadlines = new Deadlines({
    ...world,
    random: seededRandom("deadlines"),
    nodeOf: () => agent,
    onTrouble: (_doing, thrown) => void troubles.push(thrown),
  });
  await world.waker.stop();
  deadlines.start();
  const stateAfter = async (ms: number) => {
    world.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return (await nightly(world)).state;
  };
  expect(await stateAfter(deadForMs - 60_000)).toBe("dead");
  await expect.poll(() => stateAfter(30_000)).toBe("failed");
  await deadlines.stop();
  const run = await nightly(world);
  expect(run).toMatchObject({ deadReason: null, wakeAt: null });
  expect((await world.runs.endOf(run))?.reason).toBe("it was dead, and nobody had it retried within 90 days");
  expect(troubles).toEqual([]);
});

describe("a dead run that is tried again", () => {
  test("is due at once and counts anew; of two people who do so at once one succeeds", async () => {
    const world = await dead();
    const both = await Promise.all(
      [vera, agent].map((who) => value(world.runs.retryWrites(who, world.run, null))),
    );
    const verdicts = await Promise.all(both.map(({ writes }) => world.store.commit(writes)));
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(["done", "guard-failed"]);
    expect(await runsToWake(world.store, await world.store.now(), 9)).toMatchObject([
      { name: "nightly", starts: 0, losses: 0, lossEntry: null, deadReason: null, endEntry: null },
    ]);
    await world.pass(2_000);
    expect(world.hook.orders.map(({ start }) => start)).toEqual([1, 1]);
    const { run, isNew } = await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
    expect([run.state, run.attempt, isNew]).toEqual(["open", 2, false]);
    const methods = (await world.entries()).map(({ entry }) => [entry.method, entry.principals[0]]);
    expect(methods.slice(-3)).toEqual([
      ["runs/retried", vera.id],
      ["runs/started", agent.id],
      ["runs/attach", agent.id],
    ]);
  });

  test("and died again meanwhile is not revived, dropped or found dead by whoever saw its first death", async () => {
    const world = await dead();
    const late = await value(world.runs.retryWrites(vera, world.run, null));
    const drop = await value(
      dropWrites(vera, world.run, "enough", { ...world, random: seededRandom("drop") }),
    );
    const { writes } = await value(world.runs.retryWrites(vera, world.run, null));
    expect((await world.store.commit(writes)).verdict).toBe("done");
    expect(await world.runs.retryWrites(vera, await nightly(world), null)).toMatchObject({
      refusal: { code: "conflict" },
    });
    world.hook.isBroken = true;
    await world.pass(2_000);
    expect((await nightly(world)).state).toBe("dead");
    for (const stale of [late, drop])
      expect((await world.store.commit(stale.writes)).verdict).toBe("guard-failed");
  });

  test("needs another deadline where its own has passed, and its hook", async () => {
    const world = await dead();
    const late = { ...world.run, deadline: storeMs(0) };
    expect(await world.runs.retryWrites(vera, late, null)).toMatchObject({ refusal: { code: "conflict" } });
    const again = await value(world.runs.retryWrites(vera, late, 60_000));
    expect((await world.store.commit(again.writes)).verdict).toBe("done");
    expect((await nightly(world)).deadline).not.toBeNull();
    const orphan = { ...world.run, hook: "gone" };
    expect(world.runs.isOrphan(orphan)).toBe(true);
    expect(await world.runs.retryWrites(vera, orphan, null)).toMatchObject({ refusal: { code: "conflict" } });
  });
});

test("a dead run that is dropped has failed for the reason given, for good", async () => {
  const world = await dead();
  const house = { ...world, random: seededRandom("drop") };
  const drop = await value(dropWrites(vera, world.run, "paid by hand", house));
  const retry = await value(world.runs.retryWrites(vera, world.run, null));
  expect((await world.store.commit(drop.writes)).verdict).toBe("done");
  expect((await world.store.commit(retry.writes)).verdict).toBe("guard-failed");
  const run = await nightly(world);
  expect(await world.runs.endOf(run)).toMatchObject({ state: "failed", reason: "paid by hand" });
  expect(run.deadReason).toBeNull();
  for (const refused of [
    await dropWrites(vera, run, "x", house),
    await world.runs.retryWrites(vera, run, null),
  ])
    expect(refused).toMatchObject({ refusal: { code: "run-ended" } });
});

describe("resuming", () => {
  const resume = async (world: Watched) => {
    const writes = await value(world.runs.resumeWrites(await nightly(world)));
    expect((await world.store.commit(writes)).verdict).toBe("done");
    await world.pass(1_000);
  };

  test("starts the agent of a run that sleeps, or waits for its pause, at once", async () => {
    const world = await watched();
    await value(world.runs.sleep(agent, { name: "nightly", attempt: 1 }, { key: "nap", ms: 3_600_000 }));
    await value(world.runs.rest(agent, { name: "nightly", attempt: 1 }, { wakeInMs: null, children: [] }));
    await resume(world);
    expect(world.hook.orders).toHaveLength(1);
    await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
    world.hook.retries = { ...defaultRetries, pauseMs: 600_000 };
    await world.waker.lost(world.hook.orders.slice(-1), "it threw");
    await world.pass(60_000);
    expect(world.hook.orders).toHaveLength(1);
    await resume(world);
    expect(world.hook.orders).toHaveLength(2);
  });

  test("is refused with what to do instead: alive, dead, ended, without a hook, started for the last time", async () => {
    const world = await watched();
    const said = async (change: Partial<RunRecord> = {}) => {
      const answer = await world.runs.resumeWrites({ ...(await nightly(world)), ...change });
      return answer.ok ? "" : `${answer.refusal.code}: ${answer.refusal.detail}`;
    };
    expect(await said()).toMatch(/^conflict: its agent is alive, and at work as attempt 1/);
    await world.pass(aliveForMs);
    expect(await said({ hook: null })).toMatch(/^conflict: .*start its program, which attaches to "nightly"/);
    expect(await said({ hook: "gone" })).toMatch(/^conflict: the configuration has no "gone"/);
    expect(await said({ state: "dead" })).toMatch(/^conflict: the run is dead: have it retried/);
    expect(await said({ state: "finished" })).toBe("run-ended: the run is finished");
    expect(await said({ starts: 3 })).toMatch(/last time$/);
    expect(await said()).toBe("");
  });
});

test("losses are counted within a stretch of time, and pauses double up to a bound", () => {
  const retries = { max: 2, withinMs: 1_000, pauseMs: 100, pauseMsMax: 350 };
  const none = { losses: 0, lossesSince: null };
  const once = countLoss(none, retries, storeMs(5_000));
  expect(once).toEqual({ losses: 1, lossesSince: storeMs(5_000) });
  const twice = { losses: 2, lossesSince: storeMs(5_000) };
  expect(countLoss(once ?? none, retries, storeMs(6_000))).toEqual(twice);
  expect(countLoss(twice, retries, storeMs(6_000))).toBeNull();
  expect(countLoss(twice, retries, storeMs(6_001))).toEqual({ losses: 1, lossesSince: storeMs(6_001) });
  expect(countLoss(none, { ...retries, max: 0 }, storeMs(1))).toBeNull();
  const pauses = [0, 1, 2, 3, 4].map((starts) => pauseAfterLoss({ starts }, retries));
  expect(pauses).toEqual([100, 100, 200, 350, 350]);
});
