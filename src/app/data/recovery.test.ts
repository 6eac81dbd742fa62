import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock, seededRandom } from "../../base/index.ts";
import { Acts } from "../../admin/index.ts";
import { Identities, defaultTenant } from "../../identity/index.ts";
import { Keys } from "../../keys/index.ts";
import { Ledger, recoveriesIn, recoveryWrite } from "../../ledger/index.ts";
import type { Store } from "../../store/index.ts";
import { MemoryDatabase, epochOf, openMemoryStore, raiseEpoch } from "../../store/index.ts";
import { createLog } from "../../telemetry/index.ts";
import { allTables } from "./all-tables.ts";
import type { ReviewHouse } from "./recovery.ts";
import { beginReviews, compareRemembered, recordLoss } from "./recovery.ts";
import { RememberedCheckpoints } from "./remembered-checkpoints.ts";

const fail = (doing: string, thrown: unknown) => {
  throw new Error(doing, { cause: thrown });
};

async function houseOn(store: Store, clock: ManualClock, name: string): Promise<ReviewHouse> {
  const random = seededRandom(name);
  const keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
  await keys.start();
  const ledger = new Ledger({ store, keys, clock, installationId: "box", holder: name });
  await ledger.start();
  const identities = new Identities({ store, keys, clock, random });
  await identities.start();
  const first = identities.bootstrap();
  if (first.ok && first.value.writes.length > 0) await store.commit(first.value.writes);
  await identities.refreshIfChanged();
  const log = createLog({ level: "fatal", destination: { kind: "stderr" }, clock });
  const acts = new Acts({ store, keys, ledger, clock, random });
  return { clock, random, store, keys, ledger, identities, acts, log };
}

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "signalbox-recovery-"));
});
afterEach(() => rmSync(work, { recursive: true }));

/** The signed log of an installation after one act, as a node remembers it. */
async function checkpointOf(clock: ManualClock): Promise<string> {
  const store = openMemoryStore({ tables: allTables, clock });
  await store.start();
  const { ledger, acts, identities } = await houseOn(store, clock, "before");
  const node = identities.node(defaultTenant);
  if (!node.ok) throw new Error("no node");
  const act = { actor: node.value, action: "admin.review.begin", decision: null };
  await acts.perform(act, null, { writes: [], value: null, applied: () => undefined }, {});
  await ledger.stop();
  const checkpoint = await ledger.checkpoint(defaultTenant);
  if (checkpoint === null) throw new Error("nothing was sequenced");
  return checkpoint;
}

test("of nodes that remember more than there is the first to start begins a review, the others find it, and each new loss is another", async () => {
  const clock = new ManualClock();
  const remembers = `${JSON.stringify({ [defaultTenant]: await checkpointOf(clock) })}\n`;
  const database = new MemoryDatabase(allTables);
  const random = seededRandom("start");
  const log = createLog({ level: "fatal", destination: { kind: "stderr" }, clock });
  const store = openMemoryStore({ tables: allTables, clock, database });
  await store.start();
  const start = async (name: string) => {
    const own = openMemoryStore({ tables: allTables, clock, database });
    await own.start();
    const directory = join(work, name);
    const remembered = new RememberedCheckpoints({ directory, clock, onTrouble: fail });
    await compareRemembered(own, remembered, { clock, random, log });
    await own.stop();
  };
  const put = (name: string, file: string, content: string) => writeFileSync(join(work, name, file), content);
  for (const name of ["one", "two", "three", "late"]) {
    mkdirSync(join(work, name));
    put(name, "remembered-checkpoints", remembers);
    put(name, "known-recoveries", "");
  }
  await Promise.all(["one", "two", "three"].map(start));
  const [first, ...none] = await recoveriesIn(store);
  expect(none).toEqual([]);
  const epoch = await epochOf(store);
  await start("late");
  expect([await recoveriesIn(store), await epochOf(store)]).toEqual([[first], epoch]);
  expect(readFileSync(join(work, "late", "known-recoveries"), "utf8")).toBe(`${first}\n`);

  // Since then it has seen a log that is gone now: no recovery that it knows explains that.
  put("late", "remembered-checkpoints", remembers);
  await start("late");
  expect(await recoveriesIn(store)).toHaveLength(2);
  // One that has never said which it knows takes none for an explanation.
  mkdirSync(join(work, "old"));
  put("old", "remembered-checkpoints", remembers);
  await start("old");
  expect(await recoveriesIn(store)).toHaveLength(3);
});

test("a loss is one recovery, whoever of the nodes writes it down; its review begins on a node that lives", async () => {
  const clock = new ManualClock();
  const database = new MemoryDatabase(allTables);
  const stores = ["one", "two"].map(() => openMemoryStore({ tables: allTables, clock, database }));
  for (const store of stores) await store.start();
  const houses = [];
  for (const [n, store] of stores.entries()) houses.push(await houseOn(store, clock, `node-${n}`));
  await Promise.all(houses.map((house) => recordLoss(house.store, 29_000_000, house.clock)));
  const beginning = Promise.all(houses.map(beginReviews));
  const state = { isOver: false };
  void beginning.finally(() => (state.isOver = true));
  while (!state.isOver) {
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await beginning).toContain(true);
  for (const { ledger, store } of houses) {
    await ledger.reviewsChanged();
    expect(ledger.review(defaultTenant)).toMatchObject({ reason: "lost" });
    expect(await recoveriesIn(store)).toEqual(["rcv_epoch_29000000"]);
  }
});

test("nodes that start at once on a store that was brought back begin one review together", async () => {
  const clock = new ManualClock();
  const database = new MemoryDatabase(allTables);
  const houseOf = async (name: string) => {
    const store = openMemoryStore({ tables: allTables, clock, database });
    await store.start();
    return houseOn(store, clock, name);
  };
  const one = await houseOf("one");
  const others = [await houseOf("two"), await houseOf("three")];
  const recovery = { at: clock.wall(), reason: "restored", detail: "by a test" } as const;
  await raiseEpoch(one.store, 60_000, [recoveryWrite("rec_1", recovery)]);
  const begun = await Promise.all([one, ...others].map(beginReviews));
  expect(begun).toContain(true);
  for (const { ledger } of [one, ...others]) {
    await ledger.reviewsChanged();
    expect(ledger.review(defaultTenant)).toMatchObject({ reason: "restored" });
  }
  const acts = (await one.ledger.list(defaultTenant, { limit: 50 })).filter(
    ({ entry }) => entry.method === "admin.review.begin",
  );
  expect(acts).toHaveLength(1);
});
