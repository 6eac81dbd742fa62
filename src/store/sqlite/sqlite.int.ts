import BetterSqlite from "better-sqlite3";
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock, msOf, systemClock } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { GroupCommit } from "../group-commit.ts";
import type { Store } from "../index.ts";
import {
  append,
  blob,
  insert,
  integer,
  integerOrNull,
  keyedTable,
  logTable,
  openReadOnlySqlite,
  openSqliteFill,
  openSqliteStore,
  remove,
  text,
  textOrNull,
  update,
} from "../index.ts";
import { copySuite } from "../copy.suite.ts";
import { storeSuite } from "../store.suite.ts";
import { WorkerWriter } from "./worker-writer.ts";

const newDirectory = (): string => mkdtempSync(join(tmpdir(), "signalbox-store-"));

storeSuite("sqlite", async () => {
  const directory = newDirectory();
  return {
    open: (options) => openSqliteStore({ ...options, directory }),
    remove: async () => rmSync(directory, { recursive: true, force: true }),
  };
});

copySuite("sqlite", async () => {
  const directory = newDirectory();
  return {
    open: (options) => openSqliteStore({ ...options, directory }),
    openFill: (tables) => openSqliteFill(directory, tables),
    remove: async () => rmSync(directory, { recursive: true, force: true }),
  };
});

const rows = keyedTable({ name: "row", columns: { name: text, data: blob }, key: ["name"] });
const events = logTable({
  name: "event",
  columns: { id: text, tenant: text },
  id: "id",
  partition: "tenant",
});
const tables = [rows, events];

const directories: string[] = [];
const stores: Store[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const store of stores.splice(0)) await store.stop();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function directory(): string {
  const made = newDirectory();
  directories.push(made);
  return made;
}

async function open(at: string, more: Partial<Parameters<typeof openSqliteStore>[0]> = {}): Promise<Store> {
  const store = openSqliteStore({ directory: at, tables, clock: systemClock, ...more });
  stores.push(store);
  await store.start();
  return store;
}

const put = (name: string, bytes = 8) => [insert(rows, { name, data: new Uint8Array(bytes) })];

/** A process of its own that opens the store at `at` and runs `body`. Each line it prints is a word for us. */
function startChild(at: string, body: string): ChildProcess {
  const door = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const code = `
    import * as s from ${door("../index.ts")};
    import { systemClock } from ${door("../../base/index.ts")};
    const rows = s.keyedTable({ name: "row", columns: { name: s.text, data: s.blob }, key: ["name"] });
    const events = s.logTable({ name: "event", columns: { id: s.text, tenant: s.text }, id: "id", partition: "tenant" });
    const store = s.openSqliteStore({ directory: ${JSON.stringify(at)}, tables: [rows, events], clock: systemClock });
    try { await store.start(); } catch (fault) { console.log("refused " + fault.code + " " + fault.message); process.exit(0); }
    console.log("open " + process.pid);
    ${body}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  if (child.stdout === null) throw new Error("no output");
  for await (const line of createInterface({ input: child.stdout })) yield line;
}

describe("a killed process", () => {
  it("loses nothing that was acknowledged, leaves no half transaction, and frees the directory", async () => {
    const at = directory();
    const child = startChild(
      at,
      `let n = 0;
       const work = async () => {
         for (;;) {
           const id = "e" + n++;
           await store.commit([s.insert(rows, { name: id, data: new Uint8Array(300) }), s.append(events, { id, tenant: "t" })]);
           process.stdout.write(id + "\\n");
         }
       };
       await Promise.all(Array.from({ length: 64 }, work));`,
    );
    const acknowledged: string[] = [];
    for await (const line of linesOf(child)) {
      if (!line.startsWith("open")) acknowledged.push(line);
      if (acknowledged.length === 3_000) child.kill("SIGKILL");
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(3_000);
    const store = await open(at);
    const written = new Set<string>();
    let after = 0;
    for (;;) {
      const page = await store.listLog(events, { partition: "t", after, limit: 10_000 });
      for (const event of page) written.add(event.id);
      after = page.at(-1)?.cursor ?? after;
      if (page.length < 10_000) break;
    }
    // The last line may have been cut by the kill: it is then a beginning of an id that is there.
    const whole = acknowledged.slice(0, -1);
    expect(whole.filter((id) => !written.has(id))).toEqual([]);
    for (const id of written) expect(await store.get(rows, { name: id })).not.toBeNull();
    const kept = await store.list(rows, { index: "key", limit: 10_000 });
    expect(kept.every((row) => written.has(row.name))).toBe(true);
  });

  it.each([
    [
      "with flushes",
      `for (let n = 0; ; n++) {
         const { storeNow } = await store.commit([s.insert(rows, { name: "e" + n, data: new Uint8Array(8) })]);
         process.stdout.write(storeNow + "\\n");
       }`,
    ],
    [
      "without a flush for longer than time is kept ahead of itself",
      `for (let last = 0; ; await new Promise((resolve) => setImmediate(resolve))) {
         const now = await store.now();
         if (now > last) process.stdout.write(now + "\\n");
         last = now;
       }`,
    ],
  ])("has told no time that comes again, %s", async (_how, body) => {
    const at = directory();
    const child = startChild(at, body);
    let firstMs = 0;
    let toldMs = 0;
    for await (const line of linesOf(child)) {
      if (line.startsWith("open")) continue;
      firstMs ||= Number(line);
      if (toldMs - firstMs > 1_500) child.kill("SIGKILL");
      // The last line may have been cut by the kill: it then reads as an earlier time.
      toldMs = Math.max(toldMs, Number(line));
    }
    expect(toldMs).toBeGreaterThan(0);
    const longAgo = new ManualClock(1_000);
    const nowMs = msOf(await (await open(at, { clock: longAgo })).now());
    expect(nowMs).toBeGreaterThanOrEqual(toldMs);
    expect(nowMs).toBeLessThanOrEqual(toldMs + 60_000); // ahead by little: this bounds a mistake, not a duration
  });
});

describe("the directory", () => {
  it("is refused to a second process and to a second store of this one, naming who has it", async () => {
    const at = directory();
    const store = await open(at);
    const said: string[] = [];
    for await (const line of linesOf(startChild(at, ""))) said.push(line);
    expect(said.join()).toMatch(/^refused store-in-use /);
    expect(said.join()).toContain(`pid ${process.pid}`);
    await expect(open(at)).rejects.toMatchObject({ code: "store-in-use", evidence: { pid: process.pid } });
    expect((await store.commit(put("still"))).verdict).toBe("done");
    await store.stop();
    await open(at);
  });

  it("names a foreign holder, and is free as soon as that one is killed", async () => {
    const at = directory();
    const child = startChild(at, "setInterval(() => {}, 1000);");
    const first = await linesOf(child).next();
    expect(first.value).toBe(`open ${child.pid}`);
    await expect(open(at)).rejects.toThrow(`pid ${child.pid}`);
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
    expect((await (await open(at)).commit(put("mine"))).verdict).toBe("done");
  });

  it("that holds another program's database is not touched", async () => {
    const at = directory();
    const foreign = new BetterSqlite(join(at, "signalbox.db"));
    foreign.exec("CREATE TABLE theirs (x)");
    foreign.close();
    await expect(open(at)).rejects.toMatchObject({ code: "store-version" });
    expect(() => openReadOnlySqlite(at, tables)).toThrow(/not a data file of this program/);
  });

  it("that holds garbage is refused, also to readers", async () => {
    const at = directory();
    writeFileSync(join(at, "signalbox.db"), "this is no database ".repeat(400));
    await expect(open(at)).rejects.toMatchObject({ code: "store-unavailable" });
    expect(() => openReadOnlySqlite(at, tables)).toThrow(/cannot be read/);
  });

  it("that cannot be made is a clear fault", async () => {
    const at = directory();
    writeFileSync(join(at, "file"), "");
    await expect(open(join(at, "file", "below"))).rejects.toMatchObject({ code: "store-unavailable" });
  });
});

describe("a full disk", () => {
  it("fails what does not fit with no effect, carries the rest, and recovers when there is room", async () => {
    const at = directory();
    const store = await open(at, { bytesMax: 400_000 });
    await store.commit(put("ballast", 200_000));
    const settled = await Promise.allSettled([
      store.commit(put("small-1")),
      store.commit(put("large", 1_000_000)),
      store.commit(put("small-2")),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((settled[1] as PromiseRejectedResult).reason).toMatchObject({
      code: "store-unavailable",
      effect: "none",
      retry: "later",
      evidence: { sqliteCode: "SQLITE_FULL" },
    });
    expect(await store.get(rows, { name: "large" })).toBeNull();
    let filled = 0;
    const fill = async (): Promise<void> => {
      for (; ; filled++) await store.commit(put(`fill-${filled}`, 20_000));
    };
    await expect(fill()).rejects.toMatchObject({ code: "store-unavailable", effect: "none" });
    expect(await store.get(rows, { name: "small-2" })).not.toBeNull();
    expect((await store.commit([remove(rows, { name: "ballast" })])).verdict).toBe("done");
    expect((await store.commit(put("again", 20_000))).verdict).toBe("done");
    await store.stop();
    const reopened = await open(at);
    expect(await reopened.get(rows, { name: "again" })).not.toBeNull();
    expect(
      await reopened.list(rows, { index: "key", after: "fill-", upTo: "fill-~", limit: 100 }),
    ).toHaveLength(filled);
  });

  const small = mountSmall();
  it.skipIf(small === null)(
    "(a real one: 3 MB tmpfs) is survived, and nothing acknowledged is lost",
    async () => {
      if (small === null) return;
      try {
        const at = join(small, "data");
        mkdirSync(at);
        const store = await open(at);
        const done: string[] = [];
        const fill = async (prefix: string): Promise<void> => {
          for (let i = 0; i < 1_000; i++) {
            const name = `${prefix}-${i}`;
            await store.commit(put(name, 8_000));
            done.push(name);
          }
        };
        await expect(fill("a")).rejects.toMatchObject({ code: "store-unavailable" });
        writeFileSync(join(small, "ballast"), "");
        execFileSync("mount", ["-o", "remount,size=12m", small]);
        await store.commit(put("after"));
        done.push("after");
        for (const name of done) expect(await store.get(rows, { name })).not.toBeNull();
        await store.stop();
      } finally {
        for (const store of stores.splice(0)) await store.stop();
        execFileSync("umount", [small]);
        rmSync(small, { recursive: true, force: true });
      }
    },
  );
});

describe("a statement that fails", () => {
  it("fails its own transaction only", async () => {
    const at = directory();
    const store = await open(at);
    const meddler = new BetterSqlite(join(at, "signalbox.db"));
    meddler.exec("DROP TABLE event");
    meddler.close();
    const settled = await Promise.allSettled([
      store.commit(put("a")),
      store.commit([...put("b"), append(events, { id: "e", tenant: "t" })]),
      store.commit([append(events, { id: "e", tenant: "t" })]),
      store.commit(put("c")),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(settled[1]).toMatchObject({ reason: { code: "internal", effect: "none" } });
    expect((await store.list(rows, { index: "key", limit: 9 })).map(({ name }) => name)).toEqual(["a", "c"]);
  });
});

/** Null where this user may not mount: then only the deterministic test speaks for full disks. */
function mountSmall(): string | null {
  const at = newDirectory();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", at], { stdio: "ignore" });
    return at;
  } catch {
    rmSync(at, { recursive: true, force: true });
    return null;
  }
}

/** Resolves in the turn after the flush has gone out. */
const turnAfterNext = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });

describe("a writer that dies", () => {
  it("leaves the flush in flight unknown, and everything else undone and refused", async () => {
    const dying = `
      import { parentPort } from "node:worker_threads";
      parentPort.on("message", () => process.exit(3));
      parentPort.postMessage({ kind: "ready", absent: new Map() });`;
    const data = { file: "", tables, dataVersion: 1, bytesMax: null };
    const writer = new WorkerWriter(
      data,
      tablesByName(tables),
      systemClock,
      new URL(`data:text/javascript,${encodeURIComponent(dying)}`),
    );
    const commits = new GroupCommit(writer, systemClock, 10, () => {});
    await commits.start();
    const offer = (): Promise<unknown> =>
      new Promise((resolve, reject) => {
        commits.offer({ kind: "transaction", writes: put("x") }, 8, resolve, reject);
      });
    const [inFlight, behind] = await Promise.allSettled([offer(), turnAfterNext().then(offer)]);
    expect(inFlight).toMatchObject({ reason: { code: "store-unavailable", effect: "unknown" } });
    expect(behind).toMatchObject({ reason: { code: "store-unavailable", effect: "none", retry: "never" } });
    await expect(offer()).rejects.toMatchObject({
      code: "store-unavailable",
      effect: "none",
      retry: "never",
    });
    await commits.stop();
  });
});

describe("data versions", () => {
  const thing1 = keyedTable({ name: "thing", columns: { name: text }, key: ["name"] });
  const v1 = [thing1];
  const thing2 = keyedTable({
    name: "thing",
    columns: { name: text, size: integerOrNull, label: textOrNull },
    key: ["name"],
    unique: { label: ["label"] },
    columnsSince: { size: 2, label: 2 },
  });
  const extra2 = logTable({
    name: "extra",
    columns: { id: text, tenant: text },
    id: "id",
    partition: "tenant",
    since: 2,
  });
  const v2 = [thing2, extra2];
  const v3 = [
    ...v2,
    keyedTable({ name: "third", columns: { name: text, size: integer }, key: ["name"], since: 3 }),
  ];
  const v4 = [...v3, keyedTable({ name: "fourth", columns: { name: text }, key: ["name"], since: 4 })];

  it("code of version N expands data of N-1, and code of N-1 goes on using data of N", async () => {
    const at = directory();
    const old = await open(at, { tables: v1 });
    await old.commit([insert(thing1, { name: "first" })]);
    await old.stop();

    const beforeUpgrade = openReadOnlySqlite(at, v2);
    expect(await beforeUpgrade.get(thing2, { name: "first" })).toEqual({
      name: "first",
      size: null,
      label: null,
    });
    expect(await beforeUpgrade.listLog(extra2, { partition: "t", limit: 1 })).toEqual([]);
    beforeUpgrade.close();

    const current = await open(at, { tables: v2 });
    expect(await current.get(thing2, { name: "first" })).toEqual({ name: "first", size: null, label: null });
    await current.commit([
      update(thing2, { name: "first" }, { size: 5, label: "l" }),
      append(extra2, { id: "e", tenant: "t" }),
    ]);
    await current.stop();

    const rolledBack = await open(at, { tables: v1 });
    expect(await rolledBack.get(thing1, { name: "first" })).toEqual({ name: "first" });
    await rolledBack.commit([insert(thing1, { name: "second" })]);
    await rolledBack.stop();

    const again = await open(at, { tables: v2 });
    expect(await again.get(thing2, { name: "second" })).toEqual({ name: "second", size: null, label: null });
    expect(await again.get(thing2, { label: "l" })).toMatchObject({ name: "first", size: 5 });
    expect(await again.getLogged(extra2, "e")).toMatchObject({ tenant: "t" });
  });

  it("beyond one version it is refused, naming the version that can open it", async () => {
    const at = directory();
    await (await open(at, { tables: v1 })).stop();
    const tooNew = open(at, { tables: v3 });
    await expect(tooNew).rejects.toMatchObject({
      code: "store-version",
      evidence: { dataVersion: 1, codeVersion: 3 },
    });
    await expect(tooNew).rejects.toThrow(/one of version 2/);
    expect(() => openReadOnlySqlite(at, v3)).toThrow(/one of version 2/);
    await (await open(at, { tables: v2 })).stop();
    await (await open(at, { tables: v3 })).stop();
    const tooOld = open(at, { tables: v1 });
    await expect(tooOld).rejects.toMatchObject({
      code: "store-version",
      evidence: { dataVersion: 3, readerMin: 2 },
    });
    await expect(tooOld).rejects.toThrow(/version 2 or 3/);
    expect(() => openReadOnlySqlite(at, v1)).toThrow(/version 2 or 3/);
    await (await open(at, { tables: v2 })).stop();
    await (await open(at, { tables: v4 })).stop();
    await expect(open(at, { tables: v2 })).rejects.toMatchObject({ code: "store-version" });
  });

  it("a new column that may not be null is refused, and nothing is half done", async () => {
    const at = directory();
    await (await open(at, { tables: v1 })).stop();
    const bad = [
      keyedTable({ name: "aaa", columns: { name: text }, key: ["name"], since: 2 }),
      keyedTable({ name: "thing", columns: { name: text, size: integer }, key: ["name"] }),
    ];
    await expect(open(at, { tables: bad })).rejects.toThrow(/must be nullable/);
    await (await open(at, { tables: v1 })).stop();
  });
});

describe("reading without taking the directory", () => {
  it("sees what is durable, also while a store writes, and after it was killed", async () => {
    const at = directory();
    const store = await open(at);
    const reader = openReadOnlySqlite(at, tables);
    await store.commit([append(events, { id: "e1", tenant: "t" })]);
    expect((await reader.listLog(events, { partition: "t", limit: 9 })).map(({ id }) => id)).toEqual(["e1"]);
    await store.commit([append(events, { id: "e2", tenant: "t" })]);
    expect(await reader.getLogged(events, "e2")).toMatchObject({ id: "e2", tenant: "t" });
    expect(await reader.listById(events, "e", 9)).toHaveLength(2);
    expect(await reader.get(rows, { name: "x" })).toBeNull();
    expect(await reader.list(rows, { index: "key", limit: 9 })).toEqual([]);
    reader.close();
    await store.stop();
    const later = openReadOnlySqlite(at, tables);
    expect(await later.listById(events, "e", 9)).toHaveLength(2);
    later.close();
  });

  it("refuses a directory that is missing or empty, and makes nothing there", () => {
    const at = directory();
    expect(() => openReadOnlySqlite(join(at, "missing"), tables)).toThrow(/there is no data in/);
    expect(() => openReadOnlySqlite(at, tables)).toThrow(/there is no data in/);
    expect(readdirSync(at)).toEqual([]);
  });
});
