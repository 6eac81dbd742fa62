import { describe, expect, it } from "vitest";
import { ManualClock, seededRandom } from "../../base/index.ts";
import type { MemoryFault } from "../index.ts";
import {
  MemoryDatabase,
  insert,
  integer,
  keyedTable,
  openMemoryFill,
  openMemoryStore,
  text,
} from "../index.ts";
import { copySuite } from "../copy.suite.ts";
import { storeSuite } from "../store.suite.ts";

storeSuite("memory", async () => {
  let database: MemoryDatabase | null = null;
  return {
    open: (options) => {
      database ??= new MemoryDatabase(options.tables);
      return openMemoryStore({ ...options, database });
    },
    remove: async () => {
      database = null;
    },
  };
});

copySuite("memory", async () => {
  let database: MemoryDatabase | null = null;
  return {
    open: (options) => {
      database ??= new MemoryDatabase(options.tables);
      return openMemoryStore({ ...options, database });
    },
    openFill: (tables) => openMemoryFill((database = new MemoryDatabase(tables))),
    remove: async () => {
      database = null;
    },
  };
});

const rows = keyedTable({ name: "row", columns: { name: text, size: integer }, key: ["name"] });

describe("faults of the memory store", () => {
  const clock = new ManualClock();
  const opened = async (database = new MemoryDatabase([rows])) => {
    const store = openMemoryStore({ tables: [rows], clock, database });
    await store.start();
    return store;
  };
  const put = (name: string) => [insert(rows, { name, size: 1 })];

  it("a full disk refuses one flush with no effect, and later ones succeed", async () => {
    const store = await opened();
    store.faults.next("disk-full");
    await expect(store.commit(put("a"))).rejects.toMatchObject({ code: "store-unavailable", effect: "none" });
    expect((await store.commit(put("a"))).verdict).toBe("done");
  });

  it.each([
    ["crash-before-commit", null],
    ["crash-after-commit", { name: "a", size: 1 }],
  ] as const)("%s leaves the requester unsure, and the database as it must be", async (fault, expected) => {
    const store = await opened();
    store.faults.next(fault);
    const first = store.commit(put("a"));
    await expect(first).rejects.toMatchObject({ code: "store-unavailable", effect: "unknown" });
    await expect(store.commit(put("b"))).rejects.toMatchObject({ code: "store-unavailable", effect: "none" });
    await expect(store.get(rows, { name: "a" })).rejects.toMatchObject({ code: "store-unavailable" });
    const next = await opened(store.database);
    expect(await next.get(rows, { name: "a" })).toEqual(expected);
  });

  it("a slow flush holds everybody up until the clock has moved", async () => {
    const own = new ManualClock();
    const store = openMemoryStore({
      tables: [rows],
      clock: own,
      faults: { random: seededRandom(1), slowFlushMsMax: 50 },
    });
    await store.start();
    store.faults.next("slow-flush");
    let isDone = false;
    const commit = store.commit(put("a")).then(() => (isDone = true));
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(isDone).toBe(false);
    own.advance(50);
    await commit;
  });

  it("a lost lease stops all writes of its node", async () => {
    const store = await opened();
    const lease = await store.acquireLease("node", "a", 1_000);
    if (lease !== null) store.bindToLease(lease);
    store.faults.next("lost-lease");
    await expect(store.commit(put("a"))).rejects.toMatchObject({ code: "lease-lost", effect: "none" });
    await expect(store.commit(put("a"))).rejects.toMatchObject({ code: "lease-lost" });
  });

  it("two stores on one database see each other's writes and leases", async () => {
    const one = await opened();
    const two = await opened(one.database);
    await one.commit(put("a"));
    expect((await two.commit(put("a"))).verdict).toBe("guard-failed");
    expect(await one.acquireLease("l", "one", 1_000)).not.toBeNull();
    expect(await two.acquireLease("l", "two", 1_000)).toBeNull();
  });

  it("the same seed brings the same faults, and store time survives every jump", async () => {
    const chances: Record<MemoryFault, number> = {
      "time-jump": 0.5,
      "disk-full": 0.2,
      "slow-flush": 0,
      "lost-lease": 0,
      "crash-before-commit": 0,
      "crash-after-commit": 0,
    };
    const play = async (seed: number): Promise<string> => {
      const store = openMemoryStore({
        tables: [rows],
        clock: new ManualClock(),
        faults: { random: seededRandom(seed), chances },
      });
      await store.start();
      const seen: string[] = [];
      let last = 0;
      for (let i = 0; i < 40; i++) {
        const time = await store.now().then(Number, () => null);
        if (time !== null) expect(time).toBeGreaterThanOrEqual(last);
        last = time ?? last;
        seen.push(String(time));
      }
      return seen.join();
    };
    expect(await play(7)).toBe(await play(7));
    expect(await play(7)).not.toBe(await play(8));
  });
});
