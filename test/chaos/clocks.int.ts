import { afterEach, test } from "vitest";
import { World, rounds, worldMs } from "./world.ts";

/** Far more than any NTP leaves, less than what tokens of an hour live. */
const aheadMs = [0, 120_000, -120_000];
let world: World | null = null;
afterEach(() => world?.stop());

test(
  "nodes whose clocks differ by minutes agree about leases, expiries and order: the database tells the time",
  async () => {
    world = await World.start({
      file: "test/chaos/clocks.int.ts",
      node: (number) => ({ wallAheadMs: aheadMs[number] ?? 0 }),
      clocksAgree: false,
    });
    for (let round = 0; round < rounds; round++) {
      await world.flows(60);
      const number = world.anyNumber();
      world.note(`kill -9 of node ${number}`);
      await world.fleet.node(number).kill9();
      await world.flows(20);
      await world.restart();
    }
    await world.flows(60);
    await world.holds();
  },
  worldMs,
);
