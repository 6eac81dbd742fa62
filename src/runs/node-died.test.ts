import { expect, test } from "vitest";
import type { RunRecord } from "../ledger/index.ts";
import { aliveForMs, startFirstMs } from "./limits.ts";
import { agent, value } from "./runs.fixture.ts";
import type { Watched } from "./waker.fixture.ts";
import { watched } from "./waker.fixture.ts";
import type { Waker } from "./waker.ts";

const found = (world: Watched): Promise<RunRecord> => value(world.runs.find(agent, "nightly"));
const methods = async (world: Watched) => (await world.entries()).map(({ entry }) => entry.method);

/** Two nodes, and a run that one of them drives. Answers with who does, and the one that lives. */
async function driven(isAttached = true) {
  const world = await watched(2);
  world.hook.endsWithNode = true;
  await world.pass(aliveForMs + 1_000);
  if (isAttached) await value(world.runs.attach(agent, "nightly", { deadlineMs: null }));
  const { holder } = await found(world);
  expect(holder).toMatchObject({ fence: 1, attempt: 1 });
  const name = holder?.node ?? "";
  const [gone, survivor] = (name === "node-0" ? world.wakers : world.wakers.toReversed()) as [Waker, Waker];
  await gone.stop();
  return { world, dead: { name, fence: 2 }, survivor };
}

test.each([true, false])("what a dead node drove (attached: %s) is started elsewhere at once", async (is) => {
  const { world, dead, survivor } = await driven(is);
  expect(await survivor.nodeDied(dead)).toBe(1);
  await world.pass(3_000); // and not when its agent has said nothing for long enough
  expect(world.hook.orders).toMatchObject([{ start: 1 }, { start: 2, attempt: is ? 2 : 1 }]);
  expect(await methods(world)).toContain("runs/lost");
  expect(await survivor.nodeDied(dead)).toBe(0);
});

test("of many nodes that take over at once, each run is given up once", async () => {
  const { world, dead } = await driven();
  const given = await Promise.all(world.wakers.map((waker) => waker.nodeDied(dead)));
  expect(given.toSorted((a, b) => a - b)).toEqual([0, 1]);
  await world.pass(3_000);
  expect(world.hook.orders).toHaveLength(2);
});

test("what the node holds under its new fence is its own", async () => {
  const { world, dead, survivor } = await driven();
  expect(await survivor.nodeDied({ ...dead, fence: 1 })).toBe(0);
  await world.pass(5_000);
  expect(world.hook.orders).toHaveLength(1);
});

test("an agent that lives elsewhere is left alone: attached by others, at rest, or started by what outlives a node", async () => {
  const byOthers = await driven();
  await value(byOthers.world.runs.attach(agent, "nightly", { deadlineMs: null }));
  expect(await byOthers.survivor.nodeDied(byOthers.dead)).toBe(0);

  const atRest = await driven();
  const { attempt } = await found(atRest.world);
  const rest = { wakeInMs: null, children: [] };
  await value(atRest.world.runs.rest(agent, { name: "nightly", attempt }, rest));
  expect((await found(atRest.world)).holder).toBeNull();
  expect(await atRest.survivor.nodeDied(atRest.dead)).toBe(0);

  const world = await watched(1);
  await world.pass(aliveForMs + 1_000);
  expect(world.hook.orders).toHaveLength(1);
  expect((await found(world)).holder).toBeNull();
});

test("a run that another node has started meanwhile is not given up for the one that died before", async () => {
  const { world, dead, survivor } = await driven();
  await world.pass(aliveForMs + 2_000); // its agent says nothing, and is started by whoever looks first
  expect(world.hook.orders).toHaveLength(2);
  const { holder } = await found(world);
  const fence = holder?.node === dead.name ? 1 : 2;
  expect(await survivor.nodeDied({ ...dead, fence })).toBe(0);
  await world.pass(5_000);
  expect(world.hook.orders).toHaveLength(2);
});

test("a node that dies again and again uses up nobody's starts faster than silence would, and is counted", async () => {
  const { world, dead, survivor } = await driven();
  await survivor.nodeDied(dead);
  await world.pass(3_000);
  expect(world.hook.orders).toHaveLength(2);
  for (const { name } of [dead, { name: "node-0" }, { name: "node-1" }])
    await survivor.nodeDied({ name, fence: 2 });
  await world.pass(startFirstMs - 3_000);
  expect(world.hook.orders).toHaveLength(2);
  await world.pass(5_000);
  expect(world.hook.orders).toHaveLength(3);
  expect((await found(world)).losses).toBe(3); // its first silence, and two deaths
});

test("a run whose start came to nothing is held by nobody", async () => {
  const world = await watched(1);
  world.hook.endsWithNode = true;
  world.hook.isBroken = true;
  await world.pass(aliveForMs + 1_000);
  expect(world.hook.orders).toHaveLength(1);
  expect((await found(world)).holder).toBeNull();
});
