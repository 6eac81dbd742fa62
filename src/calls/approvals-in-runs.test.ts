import { expect, test } from "vitest";
import { seededRandom, storeMs } from "../base/index.ts";
import { keyTables } from "../keys/index.ts";
import { newRun, runDeadline, runsToWake } from "../ledger/index.ts";
import type { RunRecord } from "../ledger/index.ts";
import { ApprovalWorld, pendingIn, step } from "./approving.fixture.ts";

/** The run that the call names, at rest until something comes for it. */
async function resting({ world }: ApprovalWorld): Promise<RunRecord> {
  const sources = { clock: world.clock, random: seededRandom("run") };
  const { run, write } = newRun(world.agent, "r1", sources, {
    aliveUntil: null,
    deadline: runDeadline(storeMs(0), null),
    hook: "starter",
  });
  await world.store.commit([write]);
  return run;
}

const due = async ({ world }: ApprovalWorld) =>
  (await runsToWake(world.store, await world.store.now(), 9)).map(({ name }) => name);

test.each(["approve", "deny"] as const)(
  "a run stands in front of the people who are asked, and their %s has its agent started",
  async (vote) => {
    const asked = await ApprovalWorld.open();
    const { run } = await resting(asked);
    const pending = pendingIn(await asked.write(1, step()));
    const { approvals } = asked.world;
    expect(await approvals.ofRun(run)).toMatchObject([
      { step: "s1", approval: pending.approval, groups: ["finance"], isDecided: false },
    ]);
    expect(await due(asked)).toEqual([]);

    await asked.vote(asked.vera, pending, vote);
    expect(await due(asked)).toEqual(["r1"]);
    expect(await approvals.ofRun(run)).toMatchObject([{ step: "s1", isDecided: true }]);

    // Its agent is back and has its answer: nothing is left to wait for.
    await asked.write(1, step());
    expect(await approvals.ofRun(run)).toEqual([]);
    await asked.world.stop();
  },
);

test("the key of a run whose call waits for people rests, and then goes on", async () => {
  const asked = await ApprovalWorld.open();
  await resting(asked);
  const pending = pendingIn(await asked.write(1, step()));
  await asked.vote(asked.vera, pending);
  expect((await asked.write(1, step())).kind).toBe("result");
  const entries = await asked.world.ledger.list(asked.world.agent.tenant, { limit: 9 });
  // What stands in front of a sealed payload: format, key, and which stream of the key's (keys/seal.ts).
  const streams = entries
    .filter(({ sealed }) => sealed?.scope.startsWith("run/") === true)
    .map(({ sealed }) => Buffer.from(sealed?.bytes.subarray(0, 21) ?? []).toString("hex"));
  const [outcome, intent, request] = streams;
  expect(streams).toHaveLength(3);
  expect(outcome).toBe(intent);
  expect(request).not.toBe(intent);
  await asked.world.stop();
});

test("one of two who are asked does not have the agent started", async () => {
  const asked = await ApprovalWorld.open("group=finance quorum=2");
  await resting(asked);
  const pending = pendingIn(await asked.write(1, step()));
  await asked.vote(asked.vera, pending);
  expect(await due(asked)).toEqual([]);
  await asked.vote(asked.carl, pending);
  expect(await due(asked)).toEqual(["r1"]);
  await asked.world.stop();
});

test("the first call of a run asks the store for the time, and makes run, key and request in one transaction", async () => {
  const asked = await ApprovalWorld.open();
  await asked.write(1); // what the tenant needs is there
  const { store } = asked.world;
  const before = store.stats().transactions;
  pendingIn(await asked.write(1, step()));
  expect(store.stats().transactions - before).toBe(2);
  await asked.world.stop();
});

test("of two calls that begin one run at once one makes it, and the other leaves no key behind", async () => {
  const asked = await ApprovalWorld.open();
  const calls = Promise.all([asked.write(1, step("s1")), asked.write(2, step("s2"))]);
  await asked.world.tickUntil(calls);
  const [one, other] = (await calls).map(pendingIn);
  expect(one?.call).not.toBe(other?.call);
  const [scopeKeyTable] = keyTables;
  const keys = await asked.world.store.list(scopeKeyTable, { index: "key", limit: 99 });
  expect(keys.filter(({ scope }) => scope.startsWith("run/"))).toHaveLength(1);
  await asked.world.stop();
});
