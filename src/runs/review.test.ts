import { beforeEach, describe, expect, test } from "vitest";
import type { Sha256Hex } from "../base/index.ts";
import { plusMs } from "../base/index.ts";
import { beginReview, endReview, listRuns, releaseRun, runsToWake } from "../ledger/index.ts";
import { Deadlines, forkRun, holdOpenRuns, signalWrites, startRun } from "./index.ts";
import type { Hook } from "./hook.ts";
import type { RunsWorld } from "./runs.fixture.ts";
import { agent, openRuns, value } from "./runs.fixture.ts";

const recovery = { at: 0 as never, reason: "restored", detail: "of last night" } as const;
const review = {
  tenant: agent.tenant,
  since: 0 as never,
  reason: "restored",
  detail: "of last night",
  floor: 9,
} as const;
const first = { name: "nightly", attempt: 1 } as const;
const step = {
  key: "ask",
  kind: "value",
  input: "a".repeat(64) as Sha256Hex,
  output: 1,
  note: null,
} as const;
const hook: Hook = {
  startsMax: 5,
  room: 5,
  isFor: () => true,
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};
const codeOf = async (result: Promise<{ ok: boolean; refusal?: { code: string } }>) =>
  (await result).refusal?.code ?? null;

let world: RunsWorld;
let house: Parameters<typeof holdOpenRuns>[2];
beforeEach(async () => {
  world = await openRuns({ hooks: new Map([["starter", hook]]) });
  house = { ...world, random: { bytes: (count) => new Uint8Array(count).map((_, n) => n + (seed += 1)) } };
  await value(world.runs.attach(agent, "nightly", { deadlineMs: 60_000, hook: "starter" }));
  await value(world.runs.record(agent, first, step));
});
let seed = 0;

const found = () => value(world.runs.find(agent, "nightly"));
const begin = async () => {
  await world.store.commit([beginReview(review, null)]);
  await world.ledger.reviewsChanged();
  return holdOpenRuns(agent, recovery, house);
};

describe("a run in review", () => {
  test("was open, and has an entry that says why; what is over stays as it is", async () => {
    await value(world.runs.attach(agent, "over", { deadlineMs: null }));
    await value(world.runs.end(agent, { name: "over", attempt: 1 }, { state: "finished", result: 7 }));
    expect(await begin()).toBe(1);
    expect((await found()).state).toBe("review");
    expect((await value(world.runs.attach(agent, "over", { deadlineMs: null }))).run.state).toBe("finished");
    const held = (await world.entries()).filter(({ entry }) => entry.method === "runs/held");
    expect(held).toHaveLength(1);
    const opened = held[0] === undefined ? null : await world.ledger.payload(held[0]);
    expect(opened).toMatchObject({ payload: { note: { reason: "restored", detail: "of last night" } } });
    // Broken off and begun again, it finds nothing more to do.
    expect(await holdOpenRuns(agent, recovery, house)).toBe(0);
  });

  test("takes nothing: no attach, step, sign of life, rest, signal, fork or end, and is not over either", async () => {
    await begin();
    const { runs } = world;
    const asked = { ...step, key: "other" };
    expect([
      await codeOf(runs.attach(agent, "nightly", { deadlineMs: null })),
      await codeOf(runs.record(agent, first, asked)),
      await codeOf(runs.alive(agent, first)),
      await codeOf(runs.rest(agent, first, { wakeInMs: null, children: [] })),
      await codeOf(runs.end(agent, first, { state: "finished", result: 1 })),
      await codeOf(signalWrites(await found(), "paid", null, house)),
      await codeOf(forkRun(agent, agent, await found(), { name: "again", from: null, hook: null }, house)),
    ]).toEqual(Array.from({ length: 7 }, () => "run-in-review"));
    expect(await runs.endOf(await found())).toBeNull();
  });

  test("fails at its deadline all the same, and says that it was not released by then", async () => {
    await begin();
    const { clock, store, runs } = world;
    const troubles: unknown[] = [];
    const deadlines = new Deadlines({
      ...house,
      nodeOf: () => agent,
      onTrouble: (_doing, thrown) => void troubles.push(thrown),
    });
    deadlines.start();
    await expect
      .poll(async () => {
        clock.advance(10_000);
        await store.now();
        return (await found()).state;
      })
      .toBe("failed");
    await deadlines.stop();
    expect(await runs.endOf(await found())).toMatchObject({
      reason: "its deadline passed while it waited to be released",
    });
    expect(troubles).toEqual([]);
  });

  test("is not started by its hook before it is released, and then at once", async () => {
    const later = plusMs(await world.store.now(), 10_000_000);
    expect(await runsToWake(world.store, later, 9)).toHaveLength(1);
    await begin();
    expect(await runsToWake(world.store, later, 9)).toEqual([]);
    await world.store.commit([releaseRun(await found(), await world.store.now())]);
    expect(await runsToWake(world.store, await world.store.now(), 9)).toMatchObject([{ name: "nightly" }]);
    const again = await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
    expect(again.run).toMatchObject({ state: "open", attempt: 2 });
    const { output: _output, note: _note, ...asked } = step;
    expect(await world.runs.lookUp(agent, { name: "nightly", attempt: 2 }, asked)).toMatchObject({
      ok: true,
    });
  });

  test("that was changed at the same moment is not released twice", async () => {
    await begin();
    const run = await found();
    const now = await world.store.now();
    expect((await world.store.commit([releaseRun(run, now)])).verdict).toBe("done");
    expect((await world.store.commit([releaseRun(run, now)])).verdict).toBe("guard-failed");
  });

  test("is not needed where nodes only find out whether something is lost: until then no run is made, and what is on record goes on", async () => {
    world.ledger.doubt.begin();
    const start = () =>
      startRun(agent, { hook: "starter", name: "fresh", input: null, deadlineMs: null }, house);
    expect(await codeOf(world.runs.attach(agent, "new", { deadlineMs: null }))).toBe("ledger-unavailable");
    expect(await codeOf(start())).toBe("ledger-unavailable");
    expect((await value(world.runs.attach(agent, "nightly", { deadlineMs: null }))).run.attempt).toBe(2);
    world.ledger.doubt.end(world.ledger.doubt.newest);
    expect((await value(world.runs.attach(agent, "new", { deadlineMs: null }))).isNew).toBe(true);
    expect(await codeOf(start())).toBeNull();
  });

  test("does not keep others of its tenant from being made once the tenant is released", async () => {
    await begin();
    const start = () =>
      startRun(agent, { hook: "starter", name: "fresh", input: null, deadlineMs: null }, house);
    expect(await codeOf(world.runs.attach(agent, "new", { deadlineMs: null }))).toBe("run-in-review");
    expect(await codeOf(start())).toBe("run-in-review");
    await world.store.commit([endReview(review)]);
    await world.ledger.reviewsChanged();
    expect((await value(world.runs.attach(agent, "new", { deadlineMs: null }))).isNew).toBe(true);
    expect((await start()).ok).toBe(true);
    // Runs are released one by one.
    expect(await listRuns(world.store, agent.tenant, { state: "review", limit: 9 })).toHaveLength(1);
  });
});
