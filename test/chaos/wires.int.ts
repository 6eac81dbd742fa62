import { afterEach, test } from "vitest";
import { until } from "../fixtures/until.ts";
import { World, rounds, worldMs } from "./world.ts";

/** A node's lease is 15 s, and others look every two; the machine has other things to do as well. */
const leaseAndMoreMs = 40_000;
let world: World | null = null;
afterEach(() => world?.stop());

test(
  "nodes whose way to the database is slow, cut or dead do nothing twice, and one that is away for a lease ends",
  async () => {
    world = await World.start({ file: "test/chaos/wires.int.ts" });
    for (let round = 0; round < rounds; round++) {
      await world.flows(20);
      world.note("every way is slow");
      for (const wire of world.wires) wire.delayMs = 30;
      await world.flows(20);
      for (const wire of world.wires) wire.delayMs = 0;
      for (let n = 0; n < 6; n++) {
        const number = world.anyNumber();
        world.note(`the way of node ${number} is cut`);
        world.wire(number).cutAll();
        await world.flows(10);
      }
      const number = world.anyNumber();
      const lonely = world.fleet.node(number);
      const others = world.fleet.nodes.filter((node) => node !== lonely);
      world.note(`nothing gets through to node ${number}`);
      world.wire(number).stall(true);
      const isTaken = () => others.some(({ log }) => log.includes("its work is taken over"));
      await until(isTaken, leaseAndMoreMs);
      world.note(`and now it does`);
      world.wire(number).stall(false);
      await lonely.dead();
      await world.restart();
    }
    await world.flows(20);
    await world.holds();
  },
  worldMs,
);
