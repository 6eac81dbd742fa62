import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { ManualClock } from "../../base/index.ts";
import { Postgres } from "../../../test/fixtures/postgres.ts";
import type { PostgresStore } from "../index.ts";
import type { Transaction, Verdict } from "../index.ts";
import { append, insert, remove, update } from "../index.ts";
import { event, events, item, items, tables } from "../suite-model.fixture.ts";
import { Cut } from "./cut.fixture.ts";
import { openPostgresStore } from "./index.ts";

let cluster: Postgres;
let cut: Cut;
let store: PostgresStore;
beforeAll(async () => {
  cluster = await Postgres.start({ fsync: false });
});
afterAll(() => cluster.stop());
afterEach(async () => {
  await store.stop();
  await cut.close();
});

async function open(): Promise<void> {
  cut = await Cut.before(cluster.port);
  const url = cut.through(await cluster.createDatabase());
  store = openPostgresStore({ connection: { url }, tables, clock: new ManualClock(), time: "own" });
  await store.start();
}

/** One flush: how often it spoke to the database, and the write at which each transaction failed (-1 = none). */
async function flush(
  ...transactions: readonly Transaction[]
): Promise<{ roundTrips: number; failedAt: number[] }> {
  let roundTrips = 0;
  cut.onRequest = () => {
    roundTrips++;
    return false;
  };
  const verdicts = await Promise.all(transactions.map((transaction) => store.commit(transaction)));
  cut.onRequest = null;
  return { roundTrips, failedAt: verdicts.map(failedAt) };
}

/** No set holds both, so a flush with them goes with savepoints from its beginning. */
const inPieces = [
  update(items, { owner: "o", name: "nobody" }, {}),
  update(items, { owner: "o", name: "nobody" }, {}),
].map((write) => [write]);

const failedAt = (verdict: Verdict): number => (verdict.verdict === "done" ? -1 : verdict.index);

it("a flush takes a round trip for each piece, and one for the commit", async () => {
  await open();
  const resize = (size: number) => [update(items, { owner: "o", name: "x" }, { size })];
  expect(await flush([insert(items, item("x"))], [insert(items, item("y"))])).toEqual({
    roundTrips: 2,
    failedAt: [-1, -1],
  });
  expect(await flush(resize(1), resize(2), resize(3))).toEqual({ roundTrips: 4, failedAt: [-1, -1, -1] });
});

it("a flush in which transactions are refused takes one more, whatever others let go of", async () => {
  await open();
  const numbers = Array.from({ length: 30 }, (_, i) => i);
  await flush(numbers.map((i) => insert(items, item(`held${i}`, { note: `note ${i}` }))));
  const released = numbers
    .slice(0, 20)
    .map((i) => [remove(items, { owner: "o", name: `held${i}` }), append(events, event(`r${i}`))]);
  const refused = numbers
    .slice(20)
    .map((i) => [append(events, event(`t${i}`)), insert(items, item(`new${i}`, { note: `note ${i}` }))]);
  const inTurn = [...refused.slice(0, 5), ...released, ...refused.slice(5)];
  const failed = [
    ...refused.slice(0, 5).map(() => 1),
    ...released.map(() => -1),
    ...refused.slice(5).map(() => 1),
  ];
  const { roundTrips, failedAt } = await flush(...inPieces, ...inTurn);
  expect(failedAt).toEqual([0, 0, ...failed]);
  expect(roundTrips).toBe(4);
});

it("a flush in which a transaction wants what an earlier one lets go of takes two more", async () => {
  await open();
  // Longer than an index takes.
  const [name, note] = ["\u0000".repeat(1_000), "n".repeat(1_000)];
  await flush([insert(items, item(name, { note })), insert(items, item("y", { rank: 1 }))]);
  const { roundTrips, failedAt } = await flush(
    ...inPieces,
    [append(events, event("e1")), insert(items, item("too early", { rank: 1 }))],
    [append(events, event("e2")), update(items, { owner: "o", name }, { note: null })],
    [append(events, event("e3")), insert(items, item("late", { note }))],
    [append(events, event("e4")), remove(items, { owner: "o", name: "y" })],
  );
  expect(failedAt).toEqual([0, 0, 1, -1, -1, -1]);
  expect(roundTrips).toBe(5);
  const logged = await store.listLog(events, { partition: "t", limit: 10 });
  expect(logged.map(({ id }) => id)).toEqual(["e2", "e3", "e4"]);
});

it("a flush that hoped in vain is carried with savepoints at once", async () => {
  await open();
  await flush([insert(items, item("x"))]);
  const { roundTrips, failedAt } = await flush(
    [append(events, event("e1")), insert(items, item("x"))],
    [append(events, event("e2"))],
  );
  expect(failedAt).toEqual([1, -1]);
  // Hoped, taken back, carried, carried without the refused one, committed.
  expect(roundTrips).toBe(5);
});
