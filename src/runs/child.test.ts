import { expect, test } from "vitest";
import type { Result } from "../base/index.ts";
import { ok, plusMs, refuse, seededRandom } from "../base/index.ts";
import type { RunId } from "../ledger/index.ts";
import { childrenOf, listRuns, runsToWake } from "../ledger/index.ts";
import { dyingWrites } from "./dead.ts";
import { endingWrites } from "./end.ts";
import { forkRun } from "./fork.ts";
import { childDepthMax, childrenMax } from "./limits.ts";
import { Orphans } from "./orphans.ts";
import { agent, openRuns, otherAgent, value } from "./runs.fixture.ts";

const wishes = {
  key: "ask",
  agent: "clerk",
  input: { n: 1 },
  deadlineMs: null,
  atParentEnd: "cancel",
} as const;
const death = { reason: "starts-used-up", last: null } as const;
const noHold = { holdMs: 0, signal: new AbortController().signal };

const hook = { startsMax: 3, room: 9, isFor: () => true } as never;
const hooks = new Map([
  ["again", hook],
  ["clerk@1", hook],
]);

/** A run at work, and what starts others from its steps. */
async function office(deadlineMs: number | null = null) {
  const world = await openRuns({ hooks });
  const { runs } = world;
  const { run: parent } = await value(runs.attach(agent, "boss", { deadlineMs, hook: "again" }));
  const boss = { name: "boss", attempt: 1 };
  const child = (more: object = {}) => runs.startChild(agent, boss, { ...wishes, ...more });
  const look = (run: RunId) => value(runs.awaitChild(agent, boss, run, noHold));
  const orphans = new Orphans({
    ...world,
    random: seededRandom("orphans"),
    nodeOf: () => agent,
    onTrouble: (doing, thrown) => expect.fail(`${doing}: ${String(thrown)}`),
  });
  return { ...world, parent, boss, child, look, orphans };
}

test("a step starts one run, whoever asks how often, and is given what it came to", async () => {
  const { runs, store, parent, child, look } = await office();
  const both = await Promise.all([value(child()), value(child())]);
  expect(both.filter(({ wasRecorded }) => wasRecorded)).toHaveLength(1);
  const [{ run, name }] = both;
  expect(name).toBe("boss.ask");
  expect(await runsToWake(store, await store.now(), 9)).toMatchObject([
    { name, hook: "clerk@1", owner: agent.id, parent: { run: parent.run, step: "ask", depth: 1 } },
  ]);
  expect(await look(run)).toMatchObject({ end: null });
  const { attempt } = (await value(runs.attach(agent, name, { deadlineMs: null }))).run;
  await value(runs.end(agent, { name, attempt }, { state: "finished", result: { sum: 3 } }));
  expect(await look(run)).toMatchObject({ end: { state: "finished", result: { sum: 3 } } });
  expect(await value(child())).toMatchObject({ wasRecorded: true, end: { result: { sum: 3 } } });
});

test("another agent or input under the same step is drift, and no second run", async () => {
  const { store, parent, child } = await office();
  await value(child());
  for (const more of [{ agent: "other" }, { input: { n: 2 } }])
    expect(await child(more)).toMatchObject({ refusal: { code: "step-mismatch" } });
  expect(await childrenOf(store, parent.run, 9)).toHaveLength(1);
});

test("many that are started at once are all started, and no more than the bound", async () => {
  const { child } = await office();
  const all = await Promise.all(
    Array.from({ length: childrenMax + 2 }, (_, n) => child({ key: `ask-${n}` })),
  );
  expect(all.filter(({ ok }) => ok)).toHaveLength(childrenMax);
  expect(all.at(-1)).toMatchObject({ refusal: { code: "too-many-children" } });
});

test("no line of runs gets longer than the bound", async () => {
  const { runs } = await office();
  let name = "boss";
  for (let depth = 1; depth <= childDepthMax; depth++) {
    const { attempt } = (await value(runs.attach(agent, name, { deadlineMs: null }))).run;
    name = (await value(runs.startChild(agent, { name, attempt }, { ...wishes, key: "a" }))).name;
  }
  const { attempt } = (await value(runs.attach(agent, name, { deadlineMs: null }))).run;
  const deeper = await runs.startChild(agent, { name, attempt }, wishes);
  expect(deeper).toMatchObject({ refusal: { code: "too-many-children" } });
});

test("a child ends at its parent's deadline at the latest", async () => {
  const { runs, store, child } = await office(10_000);
  const deadlineOf = async (key: string, deadlineMs: number | null) => {
    const { name } = await value(child({ key, deadlineMs }));
    return (await value(runs.find(agent, name))).deadline;
  };
  const parents = (await value(runs.find(agent, "boss"))).deadline;
  expect(await deadlineOf("a", null)).toEqual(parents);
  expect(await deadlineOf("b", 60_000)).toEqual(parents);
  expect(Number(await deadlineOf("c", 2_000))).toBe(Number(await store.now()) + 2_000);
});

test("a child's name is its own where another run has it already", async () => {
  const { runs, child } = await office();
  await value(runs.attach(agent, "boss.ask", { deadlineMs: null }));
  expect((await value(child())).name).toMatch(/^boss\.ask-[0-9a-z]{12}$/);
  expect((await value(child({ key: "k".repeat(128) }))).name).toHaveLength(128);
});

test("an agent that is not there, and a run of somebody else, are not found", async () => {
  const { runs, child } = await office();
  expect(await child({ agent: "nobody" })).toMatchObject({ refusal: { code: "not-found" } });
  const { run } = await value(child());
  await value(runs.attach(otherAgent, "boss", { deadlineMs: null }));
  const spied = await runs.awaitChild(otherAgent, { name: "boss", attempt: 1 }, run, noHold);
  expect(spied).toMatchObject({ refusal: { code: "not-found" } });
});

test("what acts on behalf of somebody, or is a person, has nobody else act for them", async () => {
  const { runs } = await office();
  const chained = { ...agent, chain: [otherAgent] };
  await value(runs.attach(chained, "lent", { deadlineMs: null }));
  const refused = await runs.startChild(chained, { name: "lent", attempt: 1 }, wishes);
  expect(refused).toMatchObject({ refusal: { code: "conflict" } });
  const person = { ...agent, id: "person/p" as never, kind: "person" } as const;
  await value(runs.attach(person, "own", { deadlineMs: null }));
  const persons = await runs.startChild(person, { name: "own", attempt: 1 }, wishes);
  expect(persons).toMatchObject({ refusal: { code: "conflict" } });
});

test("a parent that rests is due in the transaction that ends its child, or does not come to rest", async () => {
  const world = await openRuns({ hooks });
  const { runs, store, clock } = world;
  await value(runs.attach(agent, "boss", { deadlineMs: null, hook: "again" }));
  const boss = { name: "boss", attempt: 1 };
  const one = await value(runs.startChild(agent, boss, { ...wishes, key: "one" }));
  const two = await value(runs.startChild(agent, boss, { ...wishes, key: "two" }));
  for (const { name } of [one, two]) await value(runs.attach(agent, name, { deadlineMs: null }));
  const bossIsDue = async () =>
    (await runsToWake(store, await store.now(), 9)).some(({ name }) => name === "boss");
  const end = (name: string) =>
    value(runs.end(agent, { name, attempt: 2 }, { state: "failed", reason: "no paper" }));
  const children = [one.run, two.run];
  await value(runs.rest(agent, boss, { wakeInMs: null, children }));
  expect(await bossIsDue()).toBe(false);
  await end(one.name);
  expect(await bossIsDue()).toBe(true);
  // It has heard of the first; the second ends before it comes to rest, within the same millisecond.
  await value(runs.attach(agent, "boss", { deadlineMs: null }));
  await end(two.name);
  await value(runs.alive(agent, { name: "boss", attempt: 2 }));
  await value(runs.rest(agent, { name: "boss", attempt: 2 }, { wakeInMs: null, children: [two.run] }));
  clock.advance(1);
  expect(await bossIsDue()).toBe(true);
});

test("whoever ends takes open children along, all the way down, also after a crash; those to be left are left", async () => {
  const { runs, store, clock, child, orphans, parent } = await office();
  const { name } = await value(child());
  await value(child({ key: "stay", atParentEnd: "leave" }));
  const { attempt } = (await value(runs.attach(agent, name, { deadlineMs: null }))).run;
  await value(runs.startChild(agent, { name, attempt }, { ...wishes, key: "deep" }));
  await value(runs.end(agent, { name: "boss", attempt: 1 }, { state: "finished", result: 1 }));
  // Nothing of it has happened in the process that ended it: this is what the next one finds.
  orphans.start();
  const statesOf = async () =>
    Object.fromEntries(
      (await listRuns(store, parent.tenant, { limit: 9 })).map((run) => [run.name, run.state]),
    );
  for (let looks = 0; looks < 8; looks++) {
    clock.advance(1_000);
    for (let turns = 0; turns < 200; turns++) await Promise.resolve();
    await store.now();
  }
  await orphans.stop();
  expect(await statesOf()).toEqual({
    boss: "finished",
    "boss.ask": "cancelled",
    "boss.ask.deep": "cancelled",
    "boss.stay": "open",
  });
  const end = await runs.endOf(await value(runs.find(agent, "boss.ask")));
  expect(end?.reason).toBe('the run that started it, "boss", is finished');
});

test("a child that is dead is no ended one: its parent waits for what a person makes of it, and takes it along at its own end", async () => {
  const world = await office();
  const { runs, store, boss, child, look, orphans } = world;
  const { run, name } = await value(child());
  const house = { ...world, random: seededRandom("death") };
  const dead = async () => {
    const writes = await dyingWrites(agent, await value(runs.find(agent, name)), death, house);
    expect((await store.commit(writes)).verdict).toBe("done");
  };
  await dead();
  expect(await look(run)).toMatchObject({ end: null });
  const bossIsDue = async () =>
    (await runsToWake(store, await store.now(), 9)).some((each) => each.name === "boss");
  await value(runs.rest(agent, boss, { wakeInMs: null, children: [run] }));
  expect(await bossIsDue()).toBe(false);
  const retried = await value(runs.retryWrites(agent, await value(runs.find(agent, name)), null));
  expect((await store.commit(retried.writes)).verdict).toBe("done");
  await dead();
  await value(runs.end(agent, boss, { state: "finished", result: null }));
  orphans.start();
  world.clock.advance(1_000);
  await expect.poll(() => value(runs.find(agent, name))).toMatchObject({ state: "cancelled" });
  await orphans.stop();
});

test("a child is held to what its agent's configuration says of inputs and deadlines", async () => {
  const inputOf = (input: unknown): Result<unknown> =>
    input === null ? refuse({ code: "invalid-params", detail: "it has no input" }) : ok(input);
  const world = await openRuns({
    hostedOf: () => ({ hook: "clerk@1", tokensMax: null, deadlineMs: 60_000, inputOf }),
  });
  const { runs, store } = world;
  await value(runs.attach(agent, "boss", { deadlineMs: null }));
  const start = (more: object) =>
    runs.startChild(agent, { name: "boss", attempt: 1 }, { ...wishes, ...more });
  expect(await start({ input: null })).toMatchObject({ refusal: { code: "invalid-params" } });
  const { name } = await value(start({}));
  const { deadline } = await value(runs.find(agent, name));
  expect(deadline).toEqual(plusMs(await store.now(), 60_000));
});

test("an end that was made from before a child was started does not go through", async () => {
  const { store, parent, child, ledger, keys, clock } = await office();
  const house = { store, ledger, keys, clock, random: seededRandom("end") };
  const { writes } = await endingWrites(agent, parent, { state: "cancelled", reason: "late" }, house);
  await value(child());
  expect((await store.commit(writes)).verdict).toBe("guard-failed");
});

test("a fork is given what children came to, and shares none that is open", async () => {
  const { runs, store, child, boss, parent, ...world } = await office();
  const { run, name } = await value(child());
  const fork = async () => {
    const origin = await value(runs.find(agent, "boss"));
    const house = { ...world, store, random: seededRandom("fork") };
    return forkRun(agent, agent, origin, { name: "again", from: null, hook: null }, house);
  };
  expect(await fork()).toMatchObject({ refusal: { code: "conflict", evidence: { step: "ask" } } });
  await value(runs.attach(agent, name, { deadlineMs: null }));
  await value(runs.end(agent, { name, attempt: 2 }, { state: "finished", result: 7 }));
  await store.commit((await value(fork())).writes);
  const forked = await value(runs.startChild(agent, { name: "again", attempt: 1 }, wishes));
  expect(forked).toMatchObject({ run, wasRecorded: true, end: { result: 7 } });
  expect(await childrenOf(store, parent.run, 9)).toHaveLength(1);
  expect(boss.attempt).toBe(1);
});
