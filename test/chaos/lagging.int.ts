import { afterEach, expect, test } from "vitest";
import type { Postgres } from "../fixtures/postgres.ts";
import { World, worldMs } from "./world.ts";

let world: World | null = null;
let standby: Postgres | null = null;
afterEach(async () => {
  await world?.stop();
  await standby?.stop();
});

/** Two are cut off before the standby falls behind, so that they have lost nothing; the third goes on alone for a while. */
test.each(["finds its own gone", "dies with the database"])(
  "a standby that lags, promoted: what it never heard of is done by nobody again, nodes that have lost nothing live, and people decide, when the other %s",
  async (fate) => {
    world = await World.start({ file: "test/chaos/lagging.int.ts" });
    const { cluster, fleet, wires } = world;
    standby = await cluster.standby("other");
    await world.flows(60);
    const alone = world.anyNumber();
    const others = [0, 1, 2].filter((number) => number !== alone);
    world.note(`only node ${alone} reaches the database, and the standby falls behind`);
    for (const number of others) world.wire(number).refuse(true);
    const from = Date.now();
    await standby.caughtUp(cluster);
    await standby.halt();
    await world.flows(20);
    world.note("the database dies, and the standby is promoted");
    for (const wire of wires) wire.refuse(true);
    await cluster.kill();
    if (fate === "dies with the database") await fleet.node(alone).kill9();
    world.forgotten = { from, until: Date.now() };
    await standby.run();
    await standby.promote();
    world.moveTo(standby);
    for (const wire of wires) wire.refuse(false);
    for (const number of others) await world.isInReview(number);
    await fleet.node(alone).dead();
    await world.restart();
    await world.isInReview(alone);
    for (const number of others) expect(fleet.node(number).log).not.toContain("another process took over");
    await world.holds();
  },
  worldMs,
);
