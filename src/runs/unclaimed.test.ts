import { expect, test } from "vitest";
import { seededRandom } from "../base/index.ts";
import { aliveForMs } from "./limits.ts";
import type { RunsWorld } from "./runs.fixture.ts";
import { agent, openRuns, value } from "./runs.fixture.ts";
import { Remembering, passing, watched } from "./waker.fixture.ts";
import { Waker } from "./waker.ts";

/** A node whose configuration has other hooks than the run's. */
function beside(world: RunsWorld, hooks: RunsWorld["hooks"] = new Map()) {
  const troubles: string[] = [];
  const waker = new Waker({
    ...world,
    hooks,
    random: seededRandom("beside"),
    node: { name: "beside", fence: 1 },
    nodeOf: () => agent,
    onTrouble: (_doing, thrown) => void troubles.push(String(thrown)),
  });
  waker.start();
  return { waker, troubles };
}

test("a run whose hook a node lacks is left as it is, for one that has it and comes later", async () => {
  const world = await watched(0);
  const { troubles } = beside(world);
  await world.pass(aliveForMs + 3_600_000);
  expect((await value(world.runs.find(agent, "nightly"))).starts).toBe(0);
  // An operator hears of it, and not with every look.
  expect(troubles.length).toBeGreaterThan(1);
  expect(troubles.length).toBeLessThan(10);
  expect(troubles[0]).toContain('no hook "starter"');
  beside(world, world.hooks);
  await world.pass(2_000);
  expect(world.hook.orders).toHaveLength(1);
});

test("runs that nobody starts keep no others from being started", async () => {
  const [gone, ours] = [new Remembering(), new Remembering()];
  const world = await openRuns({
    hooks: new Map([
      ["gone", gone],
      ["ours", ours],
    ]),
  });
  const attach = (name: string, hook: string) =>
    value(world.runs.attach(agent, name, { deadlineMs: null, hook }));
  const each = Array.from({ length: 100 }, (_, n) => n);
  for (const n of each) await attach(`gone-${n}`, "gone");
  world.clock.advance(1_000);
  for (const n of each) await attach(`ours-${n}`, "ours");
  beside(world, new Map([["ours", ours]]));
  await passing(world)(aliveForMs + 5_000);
  expect(ours.orders).toHaveLength(100);
  expect(gone.orders).toEqual([]);
});

test("nothing is said of runs that somebody starts within seconds, nor of an agent that lives", async () => {
  const world = await watched(1);
  const { troubles } = beside(world);
  await world.pass(aliveForMs + 60_000);
  expect(world.hook.orders.length).toBeGreaterThan(0);
  expect(troubles).toEqual([]);
});
