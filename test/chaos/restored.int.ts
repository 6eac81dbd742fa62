import { afterEach, test } from "vitest";
import { World, worldMs } from "./world.ts";

let world: World | null = null;
afterEach(() => world?.stop());

test(
  "a database put back to an earlier state under running clients: what it forgot is done by nobody again, and people decide",
  async () => {
    world = await World.start({ file: "test/chaos/restored.int.ts" });
    const { cluster, fleet } = world;
    await world.flows(40);
    world.note("a copy of the database is kept");
    await cluster.halt();
    const from = Date.now();
    cluster.keepFiles();
    await cluster.run();
    await world.flows(60);
    world.note("the copy is put in its place");
    await cluster.kill();
    world.forgotten = { from, until: Date.now() };
    cluster.putFilesBack();
    await cluster.run();
    // Each finds that its newest flush is gone.
    await Promise.all(fleet.nodes.map((node) => node.dead()));
    await world.restart();
    for (const [number] of fleet.nodes.entries()) await world.isInReview(number);
    await world.holds();
  },
  worldMs,
);
