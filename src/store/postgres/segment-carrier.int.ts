import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { ManualClock } from "../../base/index.ts";
import { Postgres } from "../../../test/fixtures/postgres.ts";
import type { PostgresStore } from "../index.ts";
import type { Transaction, Verdict } from "../index.ts";
import { insert, update } from "../index.ts";
import { item, items, tables } from "../suite-model.fixture.ts";
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
