import { afterEach, expect, test } from "vitest";
import { until } from "../fixtures/until.ts";
import { World, rounds, worldMs } from "./world.ts";

/** A node's lease is 15 s, and others look every two; the machine has other things to do as well. */
const leaseAndMoreMs = 40_000;
let world: World | null = null;
afterEach(() => world?.stop());

test(
  "a node asleep for longer than its lease wakes up to nothing: what it had is with others, and it ends",
  async () => {
    world = await World.start({ file: "test/chaos/asleep.int.ts" });
    for (let round = 0; round < rounds; round++) {
      await world.flows(40);
      const number = world.anyNumber();
      const sleeper = world.fleet.node(number);
      const others = world.fleet.nodes.filter((node) => node !== sleeper);
      world.note(`SIGSTOP of node ${number}`);
      process.kill(sleeper.pid, "SIGSTOP");
      const isTaken = () => others.some(({ log }) => log.includes("its work is taken over"));
      await until(isTaken, leaseAndMoreMs);
      await world.flows(20);
      world.note(`SIGCONT of node ${number}`);
      process.kill(sleeper.pid, "SIGCONT");
      await sleeper.dead();
      expect(sleeper.log).toContain("another process took over this node's work");
      await world.restart();
    }
    await world.flows(20);
    await world.holds();
  },
  worldMs,
);
