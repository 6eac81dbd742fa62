import { afterEach, expect, test } from "vitest";
import type { Postgres } from "../fixtures/postgres.ts";
import { World, worldMs } from "./world.ts";

let world: World | null = null;
let standby: Postgres | null = null;
afterEach(async () => {
  await world?.stop();
  await standby?.stop();
});

test(
  "a synchronous standby, promoted in the middle of everything, has kept all that was confirmed: all nodes go on, and nobody has to decide",
  async () => {
    world = await World.start({ file: "test/chaos/promoted.int.ts" });
    const { cluster, fleet } = world;
    standby = await cluster.standby("other");
    await cluster.waitFor("other");
    await world.flows(60);
    world.note("the database dies, and its standby is promoted");
    await cluster.kill();
    await standby.promote();
    world.moveTo(standby);
    await world.flows(60);
    for (const node of fleet.nodes) {
      expect(node.isUp).toBe(true);
      expect((await node.admin("GET", "/review")).body).toEqual({ review: null });
    }
    await world.holds();
  },
  worldMs,
);
