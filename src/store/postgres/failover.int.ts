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

async function failOver(primary: Postgres, standby: Postgres, cut: Cut): Promise<void> {
  await primary.kill();
  await standby.promote();
  cut.target = standby.port;
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
      await expect.poll(() => acknowledged.length, { timeout: 30_000 }).toBeGreaterThan(before + count);
    };
    await goesOn(500);
    await failOver(primary, standby, cut);
    await goesOn(200);
    state.isOver = true;
    await working;
    const written = await idsOf(one);
    expect(acknowledged.filter((id) => !written.has(id))).toEqual([]);
    expect(none.filter((id) => written.has(id))).toEqual([]);
    expect(changes).toEqual([{ epoch: 1, isIntact: true }]);
    expect([one.epoch, two.epoch]).toEqual([1, 1]);
    const next = await one.acquireLease("other", "one", 1_000);
    expect(next?.fence).toBeGreaterThan(fenceFloor(1));
    if (lease !== null) expect(await two.renewLease(lease, 1_000)).toMatchObject({ fence: lease.fence });
  });

  it("to a standby that lags stops the node whose newest flush is not there, and no other", async () => {
    const { primary, standby, cut, url } = await pair();
    const changes: EpochChange[] = [];
    const [one, two] = [await open(url, { onEpoch: (change) => changes.push(change) }), await open(url)];
    await two.commit(event("old"));
    const replicated = async (): Promise<boolean> => {
      const sql = "SELECT count(*)::int AS n FROM signalbox.event";
      const rows = await standby.sql(sql, "test_1").catch(() => []);
      return rows[0]?.["n"] === 1;
    };
    await expect.poll(replicated, { timeout: 30_000 }).toBe(true);
    await standby.halt();
    await one.commit(event("lost"));
    cut.refuse(true);
    await primary.kill();
    await standby.run();
    await standby.promote();
    cut.target = standby.port;
    cut.refuse(false);
    const lost = { code: "lease-lost", effect: "none", retry: "never" };
    const ended = async (): Promise<unknown> =>
      one.commit(event("more")).catch((fault: unknown) => (fault as { code: string }).code);
    await expect.poll(ended, { timeout: 30_000 }).toBe("lease-lost");
    await expect(one.commit(event("more"))).rejects.toMatchObject(lost);
    expect(changes).toEqual([{ epoch: 1, isIntact: false }]);
    await expect
      .poll(
        () =>
          two.commit(event("new")).then(
            ({ verdict }) => verdict,
            () => null,
          ),
        { timeout: 30_000 },
      )
      .toBe("done");
    expect(await idsOf(two)).toEqual(new Set(["old", "new"]));
    expect(two.epoch).toBe(1);
  });
});
