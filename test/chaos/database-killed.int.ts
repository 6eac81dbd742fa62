import { afterEach, expect, test } from "vitest";
import { until } from "../fixtures/until.ts";
import { World, rounds, worldMs } from "./world.ts";

let world: World | null = null;
afterEach(() => world?.stop());

test(
  "a database killed and started again, in the middle of everything, has kept what it confirmed, and nodes go on by themselves",
  async () => {
    world = await World.start({ file: "test/chaos/database-killed.int.ts" });
    for (let round = 0; round < 3 * rounds; round++) {
      await world.flows(40);
      world.note("kill -9 of the database");
      await world.cluster.kill();
      const before = world.history.count("refused");
      await until(() => world !== null && world.history.count("refused") > before + 5);
      await world.cluster.run();
    }
    await world.flows(40);
    for (const node of world.fleet.nodes) expect(node.isUp).toBe(true);
    await world.holds();
  },
  worldMs,
);
