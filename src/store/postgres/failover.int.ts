import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../base/index.ts";
import { Postgres } from "../../../test/fixtures/postgres.ts";
import type { EpochChange, PostgresStore, PostgresStoreOptions } from "../index.ts";
import { append, fenceFloor, logTable, text } from "../index.ts";
import { checkPostgres, openPostgresStore } from "./index.ts";
import { Cut } from "./cut.fixture.ts";

const events = logTable({
  name: "event",
  columns: { id: text, tenant: text },
  id: "id",
  partition: "tenant",
});

const toEnd: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of toEnd.splice(0).reverse()) await end();
});

async function open(url: string, more: Partial<PostgresStoreOptions> = {}): Promise<PostgresStore> {
  const store = openPostgresStore({ connection: { url }, tables: [events], clock: systemClock, ...more });
  toEnd.push(() => store.stop());
  await store.start();
  return store;
}

/** A primary with a standby, and an address that leads to the primary until it is made to lead to the standby. */
async function pair(): Promise<{ primary: Postgres; standby: Postgres; cut: Cut; url: string }> {
  const primary = await Postgres.start();
  toEnd.push(() => primary.stop());
  const url = await primary.createDatabase();
  const standby = await primary.standby("other");
  toEnd.push(() => standby.stop());
  const cut = await Cut.before(primary.port);
  toEnd.push(() => cut.close());
  return { primary, standby, cut, url: cut.through(url) };
}

/** Also to a standby that was halted before. */
async function failOver(standby: Postgres, primary: Postgres, cut: Cut): Promise<void> {
  cut.refuse(true);
  await primary.kill();
  if (!standby.isUp) await standby.run();
  await standby.promote();
  cut.target = standby.port;
  cut.refuse(false);
}

/** Until the standby has so many events. */
async function behind(standby: Postgres, count: number): Promise<void> {
  const sql = "SELECT count(*)::int AS n FROM signalbox.event";
  const has = async () => (await standby.sql(sql, "test_1").catch(() => []))[0]?.["n"];
  await expect.poll(has).toBe(count);
}

/** Until it takes this. */
async function goesOn(store: PostgresStore, id: string): Promise<void> {
  const taken = () =>
    store.commit(event(id)).then(
      ({ verdict }) => verdict,
      () => null,
    );
  await expect.poll(taken).toBe("done");
}

const event = (id: string) => [append(events, { id, tenant: "t" })];

async function idsOf(store: PostgresStore): Promise<Set<string>> {
  const found = new Set<string>();
  for (let after = 0; ;) {
    const page = await store.listLog(events, { partition: "t", after, limit: 10_000 });
    for (const { id } of page) found.add(id);
    after = page.at(-1)?.cursor ?? after;
    if (page.length < 10_000) return found;
  }
}

describe("a failover of the database", () => {
  it("to a synchronous standby, in the middle of flushes, loses nothing acknowledged; nodes go on under a new epoch", async () => {
    const { primary, standby, cut, url } = await pair();
    await primary.waitFor("other");
    const changes: EpochChange[] = [];
    const [one, two] = [await open(url, { onEpoch: (change) => changes.push(change) }), await open(url)];
    const findings = await checkPostgres({ url: primary.url("postgres", "postgres") });
    expect(findings.find(({ check }) => check === "standby")).toMatchObject({ isGood: true });
    const lease = await two.acquireLease("l", "two", 600_000);
    const acknowledged: string[] = [];
    const none: string[] = [];
    const state = { isOver: false, serial: 0 };
    const work = async (store: PostgresStore): Promise<void> => {
      while (!state.isOver) {
        const id = `e${state.serial++}`;
        try {
          await store.commit(event(id));
          acknowledged.push(id);
        } catch (thrown) {
          const { code, effect } = thrown as { code: string; effect: string };
          expect(code).toBe("store-unavailable");
          if (effect === "none") none.push(id);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    };
    const working = Promise.all([one, two].flatMap((store) => Array.from({ length: 16 }, () => work(store))));
    const goesOn = async (count: number): Promise<void> => {
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length).toBeGreaterThan(before + count);
    };
    await goesOn(500);
    await failOver(standby, primary, cut);
    await goesOn(200);
    state.isOver = true;
    await working;
    const written = await idsOf(one);
    expect(acknowledged.filter((id) => !written.has(id))).toEqual([]);
    expect(none.filter((id) => written.has(id))).toEqual([]);
    const { epoch } = one;
    // An epoch is at least the minute of its making.
    expect(epoch).toBeGreaterThan(29_000_000);
    expect(changes).toEqual([{ epoch, isIntact: true }]);
    expect(two.epoch).toBe(epoch);
    // Both have found theirs.
    expect([await one.rollCall.look(60_000), await two.rollCall.look(60_000)]).toEqual([null, null]);
    const next = await one.acquireLease("other", "one", 1_000);
    expect(next?.fence).toBeGreaterThan(fenceFloor(epoch));
    if (lease !== null) expect(await two.renewLease(lease, 1_000)).toMatchObject({ fence: lease.fence });
  });

  it("to a standby that lags stops the node whose newest flush is not there, tells the others, and gives up who is silent", async () => {
    const { primary, standby, cut, url } = await pair();
    const changes: Record<string, EpochChange[]> = { intact: [], lost: [], silent: [], late: [] };
    const openAs = (name: string, at = url) => open(at, { onEpoch: (change) => changes[name]?.push(change) });
    const elsewhere = await Cut.before(primary.port);
    toEnd.push(() => elsewhere.close());
    const [intact, lost, silent] = [
      await openAs("intact"),
      await openAs("lost"),
      await openAs("silent", elsewhere.through(url)),
    ];
    for (const [n, store] of [intact, lost, silent].entries()) await store.commit(event(`old-${n}`));
    await behind(standby, 3);
    await standby.halt();
    await lost.commit(event("lost"));
    elsewhere.refuse(true);
    await failOver(standby, primary, cut);

    const ended = async (): Promise<unknown> =>
      lost.commit(event("more")).catch((fault: unknown) => (fault as { code: string }).code);
    await expect.poll(ended).toBe("lease-lost");
    await expect(lost.commit(event("more"))).rejects.toMatchObject({
      code: "lease-lost",
      effect: "none",
      retry: "never",
    });
    expect(changes["lost"]).toEqual([{ epoch: expect.any(Number) as number, isIntact: false }]);
    await goesOn(intact, "new");
    const { epoch } = intact;
    expect(changes["intact"]).toEqual([{ epoch, isIntact: true }]);
    expect((await idsOf(intact)).has("lost")).toBe(false);

    // One that starts meanwhile takes part, and need not answer.
    const late = await openAs("late");
    expect(late.epoch).toBe(epoch);
    expect(await late.rollCall.look(60_000)).toEqual({ epoch, unheard: 1, hasLost: false });
    await expect.poll(() => late.rollCall.look(500)).toEqual({ epoch, unheard: 0, hasLost: true });
    expect(await intact.rollCall.look(60_000)).toEqual({ epoch, unheard: 0, hasLost: true });

    // It had lost nothing, and did not say so in time.
    elsewhere.target = standby.port;
    elsewhere.refuse(false);
    const gone = async (): Promise<unknown> =>
      silent.commit(event("zombie")).catch((fault: unknown) => (fault as { code: string }).code);
    await expect.poll(gone).toBe("lease-lost");
    expect((await idsOf(intact)).has("zombie")).toBe(false);
    await late.rollCall.end(epoch);
    expect(await intact.rollCall.look(60_000)).toBeNull();
    expect([(await intact.commit(event("on"))).verdict, (await late.commit(event("too"))).verdict]).toEqual([
      "done",
      "done",
    ]);
    expect([intact.epoch, late.epoch]).toEqual([epoch, epoch]);
    expect(changes["late"]).toEqual([]);
  });

  it("is one for reads too, also where the old server lives on and answers", async () => {
    const { primary, standby, cut, url } = await pair();
    const store = await open(url);
    await store.commit(event("old"));
    expect(await idsOf(store)).toEqual(new Set(["old"]));
    await behind(standby, 1);
    await standby.promote();
    cut.target = standby.port;
    // Only its writer notices; the connections for reads stay.
    await primary.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'test_1' AND query LIKE '%COMMIT%' AND pid <> pg_backend_pid()",
    );
    await goesOn(store, "new");
    expect(await idsOf(store)).toEqual(new Set(["old", "new"]));
    // The one of before still answers, and does not have it.
    const there = await primary.sql("SELECT id FROM signalbox.event", "test_1");
    expect(there).toHaveLength(1);
  });

  it("that is followed by another one before all have answered asks them all again", async () => {
    const { primary, standby, cut, url } = await pair();
    const elsewhere = await Cut.before(primary.port);
    toEnd.push(() => elsewhere.close());
    const [one, silent] = [await open(url), await open(elsewhere.through(url))];
    for (const [n, store] of [one, silent].entries()) await store.commit(event(`old-${n}`));
    await behind(standby, 2);
    elsewhere.refuse(true);
    await failOver(standby, primary, cut);
    await goesOn(one, "first");
    const first = one.epoch;
    expect(await one.rollCall.look(60_000)).toEqual({ epoch: first, unheard: 1, hasLost: false });
    const third = await standby.standby("third");
    toEnd.push(() => third.stop());
    await behind(third, 3);
    await failOver(third, standby, cut);
    await goesOn(one, "second");
    expect(one.epoch).toBeGreaterThan(first);
    expect(await one.rollCall.look(60_000)).toEqual({ epoch: one.epoch, unheard: 1, hasLost: false });
    elsewhere.target = third.port;
    elsewhere.refuse(false);
    await goesOn(silent, "there");
    expect(await one.rollCall.look(60_000)).toBeNull();
  });
});

describe("a database that is put back to an earlier state under its nodes, on the same timeline,", () => {
  it("calls the roll by the first who finds its own gone, once; the others are counted, and end", async () => {
    const cluster = await Postgres.start({ fsync: false });
    toEnd.push(() => cluster.stop());
    const url = await cluster.createDatabase();
    const earlier = await cluster.createDatabase();
    const stores = [await open(url), await open(url), await open(url)];
    const changes: EpochChange[] = [];
    for (const [n, store] of stores.entries()) await store.commit(event(`kept-${n}`));
    const [name, copy] = [url, earlier].map((each) => new URL(each).pathname.slice(1));
    await cluster.sql(`DROP DATABASE ${copy}`);
    await cluster.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    await cluster.sql(`CREATE DATABASE ${copy} TEMPLATE ${name} OWNER signalbox`);
    const late = await open(url, { onEpoch: (change) => changes.push(change) });
    for (const [n, store] of [...stores, late].entries()) await goesOn(store, `lost-${n}`);
    await cluster.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    await cluster.sql(`ALTER DATABASE ${name} RENAME TO gone`);
    await cluster.sql(`ALTER DATABASE ${copy} RENAME TO ${name}`);
    const end = (store: PostgresStore) => async () =>
      store.commit(event("more")).catch((fault: unknown) => (fault as { code: string }).code);
    for (const store of [late, ...stores]) await expect.poll(end(store)).toBe("lease-lost");
    const [{ epoch } = { epoch: 0 }] = changes;
    const anew = await open(url);
    expect(anew.epoch).toBe(epoch);
    expect(await anew.rollCall.look(60_000)).toEqual({ epoch, unheard: 0, hasLost: true });
    await anew.rollCall.end(epoch);
    await goesOn(anew, "new");
    expect(await anew.rollCall.look(60_000)).toBeNull();
    expect(await idsOf(anew)).toEqual(new Set(["kept-0", "kept-1", "kept-2", "new"]));
  });
});
