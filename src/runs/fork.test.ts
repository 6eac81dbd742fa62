import { expect, test } from "vitest";
import { seededRandom } from "../base/index.ts";
import type { CallId } from "../ledger/index.ts";
import { claim, runsToWake, stepPlace } from "../ledger/index.ts";
import type { ForkWishes } from "./fork.ts";
import { forkRun } from "./fork.ts";
import { agent, openRuns, value } from "./runs.fixture.ts";

const all: ForkWishes = { name: "again", from: null, hook: "a@1" };

/** A run of three steps, and what forks it. */
async function office() {
  const world = await openRuns();
  const house = { ...world, random: seededRandom("fork") };
  const { run: origin } = await value(world.runs.attach(agent, "first", { deadlineMs: null }));
  for (const key of ["a", "b", "c"]) {
    world.clock.advance(1);
    await value(world.runs.record(agent, { name: "first", attempt: 1 }, stepOf(key, `first ${key}`)));
  }
  const fork = (wishes: Partial<ForkWishes> = {}) =>
    forkRun(agent, agent, origin, { ...all, ...wishes }, house);
  return { ...world, origin, fork };
}

const stepOf = (key: string, output: unknown) =>
  ({ key, kind: "value", input: null, output, note: null }) as const;

test("a fork is due at once, is given back what came before a step, and does the rest by itself", async () => {
  const { store, runs, fork, entries } = await office();
  const forked = await value(fork({ from: "c" }));
  expect(forked.kept).toBe(2);
  expect((await store.commit(forked.writes)).verdict).toBe("done");
  expect(await runsToWake(store, await store.now(), 9)).toMatchObject([{ name: "again", hook: "a@1" }]);
  const before = (await entries()).length;
  const done = async (name: string, key: string) =>
    value(runs.record(agent, { name, attempt: 1 }, stepOf(key, `anew ${key}`)));
  expect(await done("again", "a")).toMatchObject({ output: "first a", wasRecorded: true });
  expect(await done("again", "b")).toMatchObject({ output: "first b", wasRecorded: true });
  expect(await done("again", "c")).toMatchObject({ output: "anew c", wasRecorded: false });
  // The origin is as it was.
  expect(await done("first", "c")).toMatchObject({ output: "first c", wasRecorded: true });
  expect(await entries()).toHaveLength(before + 1);
});

test("without a step everything is kept, also of a run that has failed", async () => {
  const { store, runs, fork } = await office();
  await value(runs.end(agent, { name: "first", attempt: 1 }, { state: "failed", reason: "a bug" }));
  const forked = await value(fork());
  expect(forked.kept).toBe(3);
  await store.commit(forked.writes);
  expect(await value(runs.find(agent, "again"))).toMatchObject({ state: "open" });
  expect(await fork()).toMatchObject({ refusal: { code: "conflict" } });
});

test("a step that is under way is not kept: what it does must not be done twice without somebody meaning it", async () => {
  const { store, origin, fork } = await office();
  const place = stepPlace(origin.run, "d");
  const open = { tenant: origin.tenant, place, call: "call_zz" as CallId, stepDigest: "0" as never };
  await store.commit([claim({ ...open, expiresAt: null }, null)]);
  expect(await fork()).toMatchObject({ refusal: { code: "conflict", evidence: { step: "d" } } });
  expect((await value(fork({ from: "d" }))).kept).toBe(3);
  expect(await fork({ from: "e" })).toMatchObject({ refusal: { code: "invalid-params" } });
});
