import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { until } from "../fixtures/until.ts";
import { World, rounds, worldMs } from "./world.ts";

/** Enough for a cluster and some of its log. */
const diskMiB = 160;
let world: World | null = null;
afterEach(() => world?.stop());

/** Mounting a disk of its own is root's to do. */
test.runIf(process.getuid?.() === 0)(
  "a database whose disk is full has no effect carried out that it could not record, and goes on once there is room",
  async () => {
    world = await World.start({
      file: "test/chaos/disk-full.int.ts",
      cluster: { diskMiB, settings: { max_wal_size: "32MB", min_wal_size: "32MB" } },
    });
    for (let round = 0; round < rounds; round++) {
      await world.flows(40);
      const { cluster, history } = world;
      world.note("the disk is full");
      const filler = join(cluster.directory, "filler");
      fill(filler);
      const before = history.count("refused");
      await until(() => history.count("refused") > before + 10);
      world.note("there is room again");
      rmSync(filler);
      // Without room for its log a server ends itself.
      if (!cluster.isUp) await cluster.run();
    }
    await world.flows(40);
    for (const node of world.fleet.nodes) expect(node.isUp).toBe(true);
    await world.holds();
  },
  worldMs,
);

/** To the last byte. */
function fill(file: string): void {
  const handle = openSync(file, "w");
  const block = Buffer.alloc(64 * 1_024);
  try {
    for (let size = block.length; size >= 1;) {
      try {
        writeSync(handle, block, 0, size);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(handle);
  }
}
