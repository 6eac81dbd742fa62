import { afterEach, expect, test } from "vitest";
import { World, rounds, worldMs } from "./world.ts";

let world: World | null = null;
afterEach(() => world?.stop());

test(
  "nodes killed with -9 at random lose nothing acknowledged and repeat nothing",
  async () => {
    world = await World.start({ file: "test/chaos/killed.int.ts" });
    for (let round = 0; round < 3 * rounds; round++) {
      await world.flows(40);
      const number = world.anyNumber();
      world.note(`kill -9 of node ${number}`);
      await world.kill9(number);
      await world.flows(20);
      await world.restart();
    }
    await world.flows(40);
    await world.holds(({ entries }) => {
      expect(entries.some(({ outcome }) => outcome?.kind === "unknown")).toBe(true);
    });
  },
  worldMs,
);
