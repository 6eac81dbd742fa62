import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { PgBouncer, Postgres } from "../../../test/fixtures/postgres.ts";
import { systemClock } from "../../base/index.ts";
import { contractSuite, tables1, tables2, thing2, written } from "../contract.suite.ts";
import type { PostgresConnection, PostgresStore, Table } from "../index.ts";
import { contractPostgres, openPostgresFill, openPostgresStore } from "./index.ts";

let cluster: Postgres;
let bouncer: PgBouncer;
beforeAll(async () => {
  cluster = await Postgres.start({ fsync: false });
  bouncer = await PgBouncer.start(cluster);
});
afterAll(async () => {
  await bouncer.stop();
  await cluster.stop();
});

const leaseMs = 15_000;
const stores: PostgresStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop();
});

async function started(connection: PostgresConnection, tables: readonly Table[]): Promise<PostgresStore> {
  const store = openPostgresStore({ connection, tables, clock: systemClock });
  stores.push(store);
  await store.start();
  return store;
}

const sql = (url: string, text: string) => cluster.sql(text, new URL(url).pathname.slice(1));

const placeOf = (connectionTo: (url: string) => PostgresConnection) => async () => {
  const url = await cluster.createDatabase();
  const connection = connectionTo(url);
  const names = async (text: string) => (await sql(url, text)).map((row) => String(row["name"]));
  return {
    open: (tables: readonly Table[]) => started(connection, tables),
    contract: (order: Parameters<typeof contractPostgres>[1]) => contractPostgres(connection, order),
    columns: (table: string) =>
      names(
        `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'signalbox' AND table_name = '${table}'`,
      ),
    indexes: () => names("SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'signalbox'"),
    openFill: (tables: readonly Table[]) => openPostgresFill(connection, tables),
    remove: () => cluster.dropDatabase(url),
  };
};

function suiteOver(name: string, connectionTo: (url: string) => PostgresConnection): void {
  contractSuite(name, async () => {
    const place = await placeOf(connectionTo)();
    return { ...place, contract: (order) => place.contract({ ...order, leaseMs }) };
  });
}
suiteOver("postgres", (url) => ({ url }));
suiteOver("postgres behind PgBouncer", (url) => ({ url: bouncer.through(url), pooler: "transaction" }));

describe("a database that several nodes work on", () => {
  const order = { tables: tables2, isDry: false, leaseMs };

  it("is not contracted while a node of the older version works on it", async () => {
    const url = await cluster.createDatabase();
    const old = await started({ url }, tables1);
    await started({ url }, tables2);
    expect(await contractPostgres({ url }, { ...order, isDry: true })).toMatchObject({ olderNodes: 1 });
    const refused = contractPostgres({ url }, order);
    await expect(refused).rejects.toMatchObject({ code: "conflict", evidence: { olderNodes: 1 } });
    expect(await old.commit(written("still"))).toMatchObject({ verdict: "done" });
    await started({ url }, tables1); // and another one may come
    for (const store of stores.splice(0)) await store.stop();
    expect((await contractPostgres({ url }, order)).remnants).toHaveLength(6);
  });

  it("is contracted under the writes and reads of nodes of its version, and none of them fails", async () => {
    const url = await cluster.createDatabase();
    for (const store of [await started({ url }, tables1), await started({ url }, tables2)])
      await store.stop();
    stores.splice(0);
    const nodes = [await started({ url }, tables2), await started({ url }, tables2)];
    const state = { isOver: false, written: 0, read: 0 };
    const working = nodes.flatMap((node, at) => [
      (async () => {
        for (let n = 0; !state.isOver; n++) {
          expect(await node.commit(written(`${at}-${n}`))).toMatchObject({ verdict: "done" });
          state.written++;
        }
      })(),
      (async () => {
        for (; !state.isOver; state.read++) await node.list(thing2, { index: "size", from: 0, limit: 9 });
      })(),
    ]);
    await expect.poll(() => Math.min(state.written, state.read)).toBeGreaterThan(50);
    expect((await contractPostgres({ url }, order)).remnants).toHaveLength(6);
    const after = { ...state };
    const haveGoneOn = () => Math.min(state.written - after.written, state.read - after.read);
    await Promise.race([Promise.all(working), expect.poll(haveGoneOn).toBeGreaterThan(50)]);
    state.isOver = true;
    await Promise.all(working);
    expect(await sql(url, "SELECT count(*)::int AS n FROM signalbox.thing")).toEqual([{ n: state.written }]);
  });

  // An index is waited for without a lock, a column with one, for an instant each time.
  it.each([
    ["thing", "virtualxid"],
    ["event", "relation"],
  ])("is worked on while somebody who reads %s for long has a removal wait", async (table, lock) => {
    const url = await cluster.createDatabase();
    for (const store of [await started({ url }, tables1), await started({ url }, tables2)])
      await store.stop();
    stores.splice(0);
    const node = await started({ url }, tables2);
    const reader = new pg.Client({ connectionString: url });
    await reader.connect();
    await reader.query(`BEGIN; SELECT 1 FROM signalbox.${table}`);
    const removed: string[] = [];
    const contracting = contractPostgres({ url }, { ...order, onRemoved: ({ name }) => removed.push(name) });
    const waits = `SELECT 1 AS waits FROM pg_locks WHERE locktype = '${lock}' AND NOT granted`;
    for (let times = 0; times < 3; times++) {
      await expect.poll(async () => sql(url, waits)).toHaveLength(1);
      expect(await node.commit(written(`meanwhile-${times}`))).toMatchObject({ verdict: "done" });
    }
    expect(removed).not.toContain("old");
    await reader.query("COMMIT");
    await reader.end();
    expect((await contracting).remnants).toHaveLength(6);
    expect(removed).toContain("old");
    expect(await node.commit(written("after"))).toMatchObject({ verdict: "done" });
  });

  it("takes nothing more from an older node that was asleep meanwhile", async () => {
    const url = await cluster.createDatabase();
    const old = await started({ url }, tables1);
    const lease = await old.acquireLease("node/old", "old", 1);
    if (lease === null) throw new Error("nobody else holds it");
    await (await started({ url }, tables2)).stop();
    await expect.poll(async () => (await old.now()) > lease.expiresAt).toBe(true);
    old.bindToLease(lease);
    await sql(url, `UPDATE signalbox.store_writer SET at = at - ${2 * leaseMs}`);
    await contractPostgres({ url }, order);
    await expect(old.commit(written("late"))).rejects.toMatchObject({ code: "lease-lost" });
  });

  it("refuses an older node that was let in before and enters after", async () => {
    const url = await cluster.createDatabase();
    for (const store of [await started({ url }, tables1), await started({ url }, tables2)])
      await store.stop();
    stores.splice(0);
    // It has looked at the version, and waits for its turn to enter.
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('signalbox signalbox', 0))");
    const late = started({ url }, tables1);
    const refused = expect(late).rejects.toMatchObject({ code: "store-version" });
    await expect
      .poll(async () =>
        sql(url, "SELECT 1 AS waits FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
      )
      .toHaveLength(1);
    await holder.query("UPDATE signalbox.store_meta SET value = 2 WHERE name = 'readerMin'; COMMIT");
    await refused;
    await holder.end();
    expect(await sql(url, "SELECT id FROM signalbox.store_writer")).toEqual([]);
  });
});
