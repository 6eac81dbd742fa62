import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ManualClock, msOf, systemClock } from "../../base/index.ts";
import { Postgres, makeCertificates } from "../../../test/fixtures/postgres.ts";
import type { EpochChange, PostgresConnection, PostgresStore, PostgresStoreOptions } from "../index.ts";
import { checkPostgres, openPostgresStore, openReadOnlyPostgres } from "./index.ts";
import {
  append,
  blob,
  fenceFloor,
  insert,
  integerOrNull,
  keyedTable,
  logTable,
  signal,
  text,
  textOrNull,
  update,
} from "../index.ts";
import { Cut } from "./cut.fixture.ts";

const rows = keyedTable({ name: "row", columns: { name: text, data: blob }, key: ["name"] });
const counters = keyedTable({
  name: "counter",
  columns: { name: text, value: integerOrNull, label: textOrNull },
  key: ["name"],
  unique: { label: ["label"] },
});
const events = logTable({
  name: "event",
  columns: { id: text, tenant: text },
  id: "id",
  partition: "tenant",
});
const tables = [rows, counters, events];

let cluster: Postgres;
beforeAll(async () => {
  cluster = await Postgres.start();
});
afterAll(() => cluster.stop());

const stores: PostgresStore[] = [];
const cuts: Cut[] = [];
afterEach(async () => {
  for (const cut of cuts.splice(0)) await cut.close();
  for (const store of stores.splice(0)) await store.stop();
});

async function open(
  connection: PostgresConnection,
  more: Partial<PostgresStoreOptions> = {},
): Promise<PostgresStore> {
  const store = openPostgresStore({ connection, tables, clock: systemClock, ...more });
  stores.push(store);
  await store.start();
  return store;
}

async function cutBefore(port: number): Promise<Cut> {
  const cut = await Cut.before(port);
  cuts.push(cut);
  return cut;
}

const put = (name: string) => [insert(rows, { name, data: new Uint8Array(64) })];
const event = (id: string, tenant = "t") => append(events, { id, tenant });

/** Everything of a partition, by following its cursor. */
async function follow(store: PostgresStore, tenant = "t"): Promise<string[]> {
  const found: string[] = [];
  for (let after = 0; ;) {
    const page = await store.listLog(events, { partition: tenant, after, limit: 1_000 });
    found.push(...page.map(({ id }) => id));
    after = page.at(-1)?.cursor ?? after;
    if (page.length < 1_000) return found;
  }
}

describe("several nodes on one database", () => {
  it("follow a log by cursor and see every row exactly once, in order, while all of them append", async () => {
    const url = await cluster.createDatabase();
    const nodes = [await open({ url }), await open({ url }), await open({ url }), await open({ url })];
    const reader = await open({ url });
    const perNode = 400;
    const writing = { isOver: false };
    const seen: { id: string; cursor: number }[] = [];
    const reading = (async () => {
      for (let after = 0; ;) {
        const wasOver = writing.isOver;
        const page = await reader.listLog(events, { partition: "t", after, limit: 50 });
        for (const row of page) seen.push(row);
        after = page.at(-1)?.cursor ?? after;
        if (wasOver && page.length === 0) return;
      }
    })();
    await Promise.all(
      nodes.map(async (node, n) => {
        const lane = async (l: number): Promise<void> => {
          for (let i = 0; i < perNode / 8; i++) {
            const id = `n${n}-l${l}-${String(i).padStart(3, "0")}`;
            expect((await node.commit([event(id), ...put(id)])).verdict).toBe("done");
          }
        };
        await Promise.all(Array.from({ length: 8 }, (_, l) => lane(l)));
      }),
    );
    writing.isOver = true;
    await reading;
    expect(seen).toHaveLength(nodes.length * perNode);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
    for (let n = 0; n < nodes.length; n++) {
      for (let l = 0; l < 8; l++) {
        const lane = seen.map(({ id }) => id).filter((id) => id.startsWith(`n${n}-l${l}-`));
        expect(lane).toEqual(lane.toSorted());
      }
    }
  });

  it("that want the same key: one has it, and a counter under a guard loses no step", async () => {
    const url = await cluster.createDatabase();
    const nodes = [await open({ url }), await open({ url }), await open({ url })];
    const claims = await Promise.all(
      Array.from({ length: 90 }, (_, i) =>
        (nodes[i % 3] as PostgresStore).commit(put(`claim-${Math.floor(i / 3)}`)),
      ),
    );
    expect(claims.filter((verdict) => verdict.verdict === "done")).toHaveLength(30);
    await nodes[0]?.commit([insert(counters, { name: "c", value: 0, label: "l" })]);
    const count = async (node: PostgresStore, times: number): Promise<void> => {
      for (let done = 0; done < times;) {
        const value = (await node.get(counters, { name: "c" }))?.value ?? 0;
        const { verdict } = await node.commit([
          update(counters, { name: "c" }, { value: value + 1 }, { value }),
        ]);
        if (verdict === "done") done++;
      }
    };
    await Promise.all(nodes.map((node) => count(node, 20)));
    expect((await nodes[1]?.get(counters, { label: "l" }))?.value).toBe(60);
  });

  it("take a lease over once it has expired, and the flush of the node that slept is refused", async () => {
    const url = await cluster.createDatabase();
    const clock = new ManualClock();
    const [one, two] = [
      await open({ url }, { clock, time: "own" }),
      await open({ url }, { clock, time: "own" }),
    ];
    const mine = await one.acquireLease("node", "one", 1_000);
    if (mine === null) throw new Error("no lease");
    one.bindToLease(mine);
    expect((await one.commit(put("before"))).verdict).toBe("done");
    expect(await two.acquireLease("node", "two", 1_000)).toBeNull();
    clock.advance(1_000);
    const theirs = await two.acquireLease("node", "two", 1_000);
    expect(theirs?.fence).toBeGreaterThan(mine.fence);
    await expect(one.commit(put("after"))).rejects.toMatchObject({ code: "lease-lost", effect: "none" });
    expect(await one.renewLease(mine, 1_000)).toBeNull();
    expect(await two.get(rows, { name: "after" })).toBeNull();
    // What was refused has not cost the node its standing: under a new lease it goes on.
    clock.advance(1_000);
    const again = await one.acquireLease("node", "one", 1_000);
    if (again === null) throw new Error("no lease");
    one.bindToLease(again);
    expect((await one.commit(put("after"))).verdict).toBe("done");
  });

  it("read in many ways at once from the first moment on", async () => {
    const url = await cluster.createDatabase();
    const store = await open({ url, readConnections: 1 });
    await store.commit([event("e1"), ...put("x"), insert(counters, { name: "c", value: 1, label: "l" })]);
    const ways = (): Promise<unknown>[] => [
      store.get(rows, { name: "x" }),
      store.get(counters, { name: "c" }),
      store.get(counters, { label: "l" }),
      store.list(rows, { index: "key", limit: 1 }),
      store.list(counters, { index: "label", limit: 1 }),
      store.getLogged(events, "e1"),
      store.listById(events, "e", 1),
      store.listLog(events, { partition: "t", limit: 1 }),
    ];
    const connections = (): Promise<unknown> =>
      cluster.sql(
        `SELECT pid FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}' ORDER BY pid`,
      );
    await store.get(counters, { name: "c" });
    const before = await connections();
    for (let wave = 0; wave < 2; wave++) {
      const found = await Promise.all([...ways(), ...ways(), ...ways()]);
      expect(found.every((one) => (Array.isArray(one) ? one.length === 1 : one !== null))).toBe(true);
    }
    // A read that fails in the driver costs its connection, which then is another one.
    expect(await connections()).toEqual(before);
  });

  it("hear each other's signals as hints, and find them by asking where nobody can listen", async () => {
    const url = await cluster.createDatabase();
    const [one, two, deaf] = [
      await open({ url }),
      await open({ url }),
      await open({ url, pooler: "transaction" }),
    ];
    let heard = 0;
    two.onHint("topic", () => heard++);
    deaf.onHint("topic", () => expect.unreachable("nobody told it"));
    await one.commit([signal({ topic: "topic", key: "k", payload: "p\u0000q" })]);
    await expect.poll(() => heard).toBe(1);
    expect(await deaf.takeSignals("topic", 9)).toEqual([{ topic: "topic", key: "k", payload: "p\u0000q" }]);
    expect(await two.takeSignals("topic", 9)).toEqual([]);
  });

  it("share one time, which is the database's and does not go back when its clock does", async () => {
    const url = await cluster.createDatabase();
    const [one, two] = [await open({ url }), await open({ url })];
    const first = msOf(await one.now());
    expect(Math.abs(first - Date.now())).toBeLessThan(60_000);
    // As after a failover to a machine whose clock is behind: what was told is in the database, and ahead of its clock.
    const ahead = first + 3_600_000;
    await cluster.sql(
      `UPDATE signalbox.store_meta SET value = ${ahead} WHERE name = 'storeTime'`,
      new URL(url).pathname.slice(1),
    );
    expect(msOf(await two.now())).toBe(ahead);
    expect(msOf((await one.commit(put("x"))).storeNow)).toBe(ahead);
  });
});

describe("rows that many ask for at once", () => {
  it("are read by a few statements, each asker gets its own, and what a table has is looked at once", async () => {
    const url = await cluster.createDatabase();
    const cut = await cutBefore(cluster.port);
    const store = await open({ url: cut.through(url) });
    for (const name of ["a", "c"]) await store.commit([...put(name), event(`e-${name}`)]);
    const sent: string[] = [];
    cut.onRequest = (bytes) => {
      sent.push(bytes.toString("latin1"));
      return false;
    };
    const names = Array.from({ length: 300 }, (_, i) => ["a", "b", "c"][i % 3] ?? "");
    const read = await Promise.all(names.map((name) => store.get(rows, { name })));
    expect(read.map((row) => row?.name ?? null)).toEqual(names.map((name) => (name === "b" ? null : name)));
    const logged = await Promise.all(names.map((name) => store.getLogged(events, `e-${name}`)));
    expect(logged.map((row) => row?.id ?? null)).toEqual(
      names.map((name) => (name === "b" ? null : `e-${name}`)),
    );
    const all = sent.join("");
    expect(all.split("FROM pg_attribute").length - 1).toBe(2); // one for each table
    expect(all.split("LATERAL").length - 1).toBeLessThanOrEqual(8);
    expect(all.split('WHERE "name" = $1').length - 1).toBeLessThanOrEqual(2);
  });
});

describe("a database that goes away", () => {
  it("killed in the middle of flushes loses nothing acknowledged, and the node goes on by itself", async () => {
    const url = await cluster.createDatabase();
    const store = await open({ url });
    const acknowledged: string[] = [];
    const none: string[] = [];
    const unknown: string[] = [];
    let serial = 0;
    const state = { isOver: false };
    const work = async (): Promise<void> => {
      while (!state.isOver) {
        const id = `e${serial++}`;
        try {
          await store.commit([event(id), ...put(id)]);
          acknowledged.push(id);
        } catch (thrown) {
          const { code, effect } = thrown as { code: string; effect: string };
          expect(code).toBe("store-unavailable");
          (effect === "none" ? none : unknown).push(id);
          // Refused at once while the database is away: a turn for everybody else.
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    };
    // So many that flushes are sent behind commits.
    const working = Promise.all(Array.from({ length: 200 }, work));
    for (let kill = 1; kill <= 2; kill++) {
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 500);
      await cluster.kill();
      await cluster.run();
    }
    const before = acknowledged.length;
    await expect.poll(() => acknowledged.length).toBeGreaterThan(before + 100);
    state.isOver = true;
    await working;
    const written = new Set(await follow(store));
    const lost = acknowledged.filter((id) => !written.has(id));
    const denied = none.filter((id) => written.has(id));
    expect({ lost, denied, unknown }).toEqual({ lost: [], denied: [], unknown: [] });
    for (const id of written) expect(await store.get(rows, { name: id })).not.toBeNull();
  });

  it.each(["before", "after"] as const)(
    "in the instant of a commit (the connection is cut %s the server has it): the outcome is found out",
    async (when) => {
      const url = await cluster.createDatabase();
      const cut = await cutBefore(cluster.port);
      const store = await open({ url: cut.through(url) });
      await store.commit(put("first"));
      let cuts = 0;
      cut.onRequest = (bytes) => (bytes.includes("COMMIT\u0000") && cuts++ === 0 ? when : false);
      const commit = store.commit(put("second"));
      if (when === "after") expect((await commit).verdict).toBe("done");
      else await expect(commit).rejects.toMatchObject({ code: "store-unavailable", effect: "none" });
      expect(cuts).toBeGreaterThan(0);
      expect(await store.get(rows, { name: "second" })).toEqual(when === "after" ? expect.anything() : null);
      expect((await store.commit(put("third"))).verdict).toBe("done");
    },
  );

  /** Two waves of commits, the second while the first is under way, so that it is sent behind the commit of the first. */
  async function twoWaves(store: PostgresStore): Promise<{ names: string[]; commits: Promise<string>[] }> {
    const names = Array.from({ length: 200 }, (_, i) => `wave-${i}`);
    const outcome = (name: string) =>
      store.commit([...put(name), event(name)]).then(
        ({ verdict }) => verdict,
        (thrown: { code: string; effect: string }) => `${thrown.code} ${thrown.effect}`,
      );
    const first = names.slice(0, 100).map(outcome);
    // Once they stand in the queue: right after the store has taken them, in the same turn, in which the database cannot answer yet.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    return { names, commits: [...first, ...names.slice(100).map(outcome)] };
  }

  it.each(["before", "after"] as const)(
    "in the instant of a commit that another flush was sent behind (cut %s the server has both): each is told what became of it",
    async (when) => {
      const url = await cluster.createDatabase();
      const cut = await cutBefore(cluster.port);
      const store = await open({ url: cut.through(url) });
      await store.commit(put("first"));
      let cuts = 0;
      const behind: boolean[] = [];
      cut.onRequest = (bytes) => {
        if (!bytes.includes("COMMIT\u0000") || cuts++ > 0) return false;
        behind.push(store.stats().waiting === 0);
        return when;
      };
      const { names, commits } = await twoWaves(store);
      const told = await Promise.all(commits);
      expect(behind).toEqual([true]);
      expect(new Set(told.slice(0, 100))).toEqual(
        new Set([when === "after" ? "done" : "store-unavailable none"]),
      );
      const written = new Set(await follow(store));
      expect(names.filter((name) => written.has(name))).toEqual(names.filter((_, i) => told[i] === "done"));
      expect((await store.commit(put("last"))).verdict).toBe("done");
    },
  );

  it("but not from a commit that came with a warning: what was sent behind it gives way until that is looked up, and is carried then", async () => {
    const url = await cluster.createDatabase();
    const store = await open({ url });
    await store.commit(put("first"));
    await cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await cluster.sql("SELECT pg_reload_conf()");
    const waiting = (database: string) =>
      `pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = '${database}'`;
    const hasBegun = async () => {
      cluster.sql("CREATE TEMP TABLE probe ()").catch(() => {}); // its commit waits as well, once all have heard of it
      return (await cluster.sql(`SELECT ${waiting("postgres")}`)).length > 0;
    };
    try {
      await expect.poll(hasBegun).toBe(true);
      const { names, commits } = await twoWaves(store);
      await expect.poll(() => store.stats().waiting).toBe(0);
      const cancel = () =>
        cluster.sql(`SELECT pg_cancel_backend(pid), ${waiting(new URL(url).pathname.slice(1))}`);
      await expect.poll(cancel).toHaveLength(1);
      await cluster.sql("ALTER SYSTEM RESET synchronous_standby_names");
      await cluster.sql("SELECT pg_reload_conf()");
      expect(new Set(await Promise.all(commits))).toEqual(new Set(["done"]));
      expect((await follow(store)).toSorted()).toEqual(names.toSorted());
    } finally {
      await cluster.sql("ALTER SYSTEM RESET synchronous_standby_names");
      await cluster.sql("SELECT pg_reload_conf()");
    }
  });

  it("and stays away fails who waits at once, with no effect, and is found again when it is back", async () => {
    const url = await cluster.createDatabase();
    const cut = await cutBefore(cluster.port);
    const store = await open({ url: cut.through(url) });
    await store.commit(put("first"));
    cut.refuse(true);
    await expect(store.commit(put("second"))).rejects.toMatchObject({
      code: "store-unavailable",
      effect: "none",
    });
    await expect(store.get(rows, { name: "first" })).rejects.toMatchObject({ code: "store-unavailable" });
    cut.refuse(false);
    await expect
      .poll(() =>
        store.commit(put("third")).then(
          ({ verdict }) => verdict,
          () => null,
        ),
      )
      .toBe("done");
    expect(await store.get(rows, { name: "second" })).toBeNull();
    expect(await store.get(rows, { name: "first" })).not.toBeNull();
  });
});

describe("another database behind the same address", () => {
  const database = (url: string): string => new URL(url).pathname.slice(1);

  it("of another timeline raises the epoch for all nodes; those whose newest flush is there go on, above all old fences", async () => {
    const url = await cluster.createDatabase();
    const changes: EpochChange[] = [];
    const onEpoch = (change: EpochChange) => changes.push(change);
    const [one, two] = [await open({ url }, { onEpoch }), await open({ url }, { onEpoch })];
    const old = await one.acquireLease("l", "one", 60_000);
    await two.commit(put("a"));
    expect([one.epoch, two.epoch]).toEqual([0, 0]);
    // What a promotion leaves: the store remembers another timeline than the one that is written now.
    await cluster.sql(
      `UPDATE signalbox.store_meta SET value = value + 7 WHERE name = 'timeline'`,
      database(url),
    );
    expect((await one.commit(put("b"))).verdict).toBe("done");
    expect((await two.commit(put("c"))).verdict).toBe("done");
    const { epoch } = one;
    expect(epoch).toBeGreaterThan(29_000_000); // at least the minute of its making
    expect(two.epoch).toBe(epoch);
    expect(changes).toEqual([
      { epoch, isIntact: true },
      { epoch, isIntact: true },
    ]);
    const fresh = await one.acquireLease("l", "one", 60_000);
    expect(fresh?.fence).toBeGreaterThanOrEqual((old?.fence ?? 0) + fenceFloor(epoch));
  });

  it("that has lost what was acknowledged to a node takes no more writes of that node", async () => {
    const url = await cluster.createDatabase();
    const changes: EpochChange[] = [];
    const store = await open({ url }, { onEpoch: (change) => changes.push(change) });
    const other = await open({ url });
    for (const name of ["a", "b", "c"]) await store.commit(put(name));
    // What a standby that lagged holds: everything up to the flush before.
    await cluster.sql(
      `DELETE FROM signalbox."row" WHERE name = 'c'; UPDATE signalbox.store_writer SET flush = flush - 1 WHERE flush = 3; UPDATE signalbox.store_meta SET value = value + 1 WHERE name = 'timeline'`,
      database(url),
    );
    const lost = { code: "lease-lost", effect: "none", retry: "never" };
    await expect(store.commit(put("d"))).rejects.toMatchObject(lost);
    await expect(store.commit(put("e"))).rejects.toMatchObject(lost);
    expect(changes).toEqual([{ epoch: expect.any(Number) as number, isIntact: false }]);
    expect((await other.commit(put("f"))).verdict).toBe("done");
    expect(await other.get(rows, { name: "d" })).toBeNull();
  });
});

describe("data versions", () => {
  const thing1 = keyedTable({ name: "thing", columns: { name: text }, key: ["name"] });
  const thing2 = keyedTable({
    name: "thing",
    columns: { name: text, size: integerOrNull, label: textOrNull },
    key: ["name"],
    unique: { label: ["label"] },
    indexes: { size: ["size"] },
    columnsSince: { size: 2, label: 2 },
  });
  const third = keyedTable({ name: "third", columns: { name: text }, key: ["name"], since: 3 });

  it("are expanded while nodes of the version before write, and those go on", async () => {
    const url = await cluster.createDatabase();
    const old = await open({ url }, { tables: [thing1] });
    const state = { isOver: false, written: 0 };
    const writing = (async () => {
      while (!state.isOver) {
        const { verdict } = await old.commit([insert(thing1, { name: `n${state.written}` })]);
        expect(verdict).toBe("done");
        state.written++;
      }
    })();
    await expect.poll(() => state.written).toBeGreaterThan(20);
    const [one, two] = await Promise.all([
      open({ url }, { tables: [thing2] }),
      open({ url }, { tables: [thing2] }),
    ]);
    const after = state.written;
    await expect.poll(() => state.written).toBeGreaterThan(after + 20);
    state.isOver = true;
    await writing;
    await one.commit([update(thing2, { name: "n0" }, { size: 5, label: "l" })]);
    const clash = await two.commit([update(thing2, { name: "n1" }, { label: "l" })]);
    expect(clash).toMatchObject({ verdict: "guard-failed", index: 0 });
    expect(await two.list(thing2, { index: "size", from: 1, limit: 9 })).toHaveLength(1);
    await old.stop();
    const rolledBack = await open({ url }, { tables: [thing1] });
    expect(await rolledBack.get(thing1, { name: "n0" })).toEqual({ name: "n0" });
    const indexes = await cluster.sql(
      `SELECT count(*)::int AS invalid FROM pg_index WHERE NOT indisvalid`,
      new URL(url).pathname.slice(1),
    );
    expect(indexes).toEqual([{ invalid: 0 }]);
  });

  it("beyond one version are refused, naming the version that can open them", async () => {
    const url = await cluster.createDatabase();
    await (await open({ url }, { tables: [thing1] })).stop();
    const tooNew = open({ url }, { tables: [thing2, third] });
    await expect(tooNew).rejects.toMatchObject({ code: "store-version", evidence: { codeVersion: 3 } });
    await expect(openReadOnlyPostgres({ url }, [thing2, third])).rejects.toThrow(/one of version 2/);
    await (await open({ url }, { tables: [thing2] })).stop();
    await (await open({ url }, { tables: [thing2, third] })).stop();
    await expect(open({ url }, { tables: [thing1] })).rejects.toThrow(/version 2 or 3/);
  });
});

describe("the address", () => {
  it("is verified by its certificate and name: another name, or an unknown authority, is refused", async () => {
    const { ca, cert, key } = makeCertificates();
    const secure = await Postgres.start({
      tls: { cert, key },
      hba: "hostnossl all postgres 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 trust\n",
    });
    try {
      const url = await secure.createDatabase();
      const named = url.replace("127.0.0.1", "localhost");
      const store = await open({ url: named, tls: { mode: "verify-full", ca } });
      expect((await store.commit(put("x"))).verdict).toBe("done");
      expect(await store.get(rows, { name: "x" })).not.toBeNull();
      await store.stop();
      const refused = { code: "store-unavailable", effect: "none" };
      await expect(open({ url, tls: { mode: "verify-full", ca } })).rejects.toMatchObject(refused);
      await expect(open({ url: named, tls: { mode: "verify-full" } })).rejects.toMatchObject(refused);
      await expect(open({ url: named })).rejects.toMatchObject(refused);
      expect(await (await open({ url, tls: { mode: "require" } })).now()).toBeDefined();
      const findings = await checkPostgres({ url: named, tls: { mode: "verify-full", ca } });
      expect(findings.map(({ check, isGood }) => [check, isGood])).toEqual([
        ["server", true],
        ["durability", true],
        ["standby", false],
        ["encryption", true],
      ]);
    } finally {
      for (const store of stores.splice(0)) await store.stop();
      await secure.stop();
    }
  });

  it.each(["mysql://h/d", "postgres://h/d?sslmode=disable", "nonsense"])(
    "%s is refused without being told",
    async (url) => {
      const refused = open({ url });
      await expect(refused).rejects.toMatchObject({ code: "store-unavailable", retry: "never" });
      await expect(refused).rejects.not.toThrow(url);
    },
  );
});

describe("reading without being a node", () => {
  it("sees what is committed, and refuses where there is nothing", async () => {
    const url = await cluster.createDatabase();
    await expect(openReadOnlyPostgres({ url }, tables)).rejects.toMatchObject({ code: "not-found" });
    const store = await open({ url });
    const reader = await openReadOnlyPostgres({ url }, tables);
    await store.commit([event("e1"), ...put("x")]);
    expect((await reader.listLog(events, { partition: "t", limit: 9 })).map(({ id }) => id)).toEqual(["e1"]);
    expect(await reader.getLogged(events, "e1")).toMatchObject({ tenant: "t" });
    expect(await reader.listById(events, "e", 9)).toHaveLength(1);
    expect(await reader.get(rows, { name: "x" })).not.toBeNull();
    expect(await reader.list(rows, { index: "key", limit: 9 })).toHaveLength(1);
    reader.close();
  });
});
