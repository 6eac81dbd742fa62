import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../base/index.ts";
import type { Row, Snapshot, Store, StoreFill, Table } from "./index.ts";
import {
  append,
  blobOrNull,
  epochOf,
  fenceFloor,
  insert,
  integer,
  keyedTable,
  logTable,
  ownTables,
  raiseEpoch,
  remove,
  scanKeyed,
  scanLog,
  text,
} from "./index.ts";

/** Two of these outlive the stores on them: one to copy from, one to copy to. */
export interface CopyPlace {
  open(options: { tables: readonly Table[]; clock: ManualClock }): Store;
  /** Before anything was opened on it. */
  openFill(tables: readonly Table[]): StoreFill | Promise<StoreFill>;
  remove(): Promise<void>;
}

const deep = keyedTable({
  name: "deep",
  columns: { a: text, b: integer, c: text, data: blobOrNull },
  key: ["a", "b", "c"],
});
const events = logTable({
  name: "event",
  columns: { id: text, tenant: text },
  id: "id",
  partition: "tenant",
});
const tables = [deep, events];

const row = (a: string, b: number, c: string) => ({ a, b, c, data: new Uint8Array([b & 255]) });
const event = (id: string, tenant: string) => ({ id, tenant });

/** That every store can be read at one moment, in whole, and put down somewhere else as it is. Run it on the real thing. */
export function copySuite(name: string, place: () => Promise<CopyPlace>): void {
  describe(`a copy of a ${name} store`, () => {
    const opened: Store[] = [];
    const places: CopyPlace[] = [];
    const clock = new ManualClock();

    afterEach(async () => {
      for (const store of opened.splice(0)) await store.stop();
      for (const used of places.splice(0)) await used.remove();
    });
    const newPlace = async () => {
      const made = await place();
      places.push(made);
      return made;
    };
    const openAt = async (at: CopyPlace) => {
      const store = at.open({ tables, clock });
      opened.push(store);
      await store.start();
      return store;
    };

    it("a snapshot is what was there when it was taken, whatever is written and removed meanwhile", async () => {
      const store = await openAt(await newPlace());
      await store.commit([insert(deep, row("a", 1, "x")), append(events, event("1", "t"))]);
      const snapshot = await store.snapshot();
      await store.commit([
        remove(deep, { a: "a", b: 1, c: "x" }),
        insert(deep, row("a", 2, "y")),
        append(events, event("2", "t")),
      ]);
      expect(await all(snapshot, deep, 10)).toMatchObject([{ a: "a", b: 1, c: "x" }]);
      expect(await all(snapshot, events, 10)).toMatchObject([{ id: "1" }]);
      expect(await snapshot.get(deep, { a: "a", b: 2, c: "y" })).toBeNull();
      snapshot.close();
      expect(await store.get(deep, { a: "a", b: 2, c: "y" })).not.toBeNull();
    });

    it("reading a table in pages gives every row once, in order, however the pages fall", async () => {
      const key = fc.record({
        a: fc.constantFrom("", "a", "b", "b0", "c"),
        b: fc.integer({ min: -2, max: 3 }),
        c: fc.constantFrom("", "x", "y", "z"),
      });
      const keys = fc.uniqueArray(key, { selector: ({ a, b, c }) => `${a} ${b} ${c}`, maxLength: 60 });
      const store = await openAt(await newPlace());
      await fc.assert(
        fc.asyncProperty(keys, fc.integer({ min: 1, max: 9 }), async (chosen, limit) => {
          await store.commit(chosen.map(({ a, b, c }) => insert(deep, row(a, b, c))));
          const snapshot = await store.snapshot();
          const read = (await all(snapshot, deep, limit)).map(({ a, b, c }) => [a, b, c]);
          const whole = await snapshot.list(deep, { index: "key", limit: 1_000 });
          snapshot.close();
          await store.commit(chosen.map((at) => remove(deep, at)));
          expect(read).toEqual(whole.map(({ a, b, c }) => [a, b, c]));
          expect(read).toHaveLength(chosen.length);
        }),
        { numRuns: 60, seed: 5 },
      );
    });

    it("what was filled in has the same rows, the same cursors, and goes on from there", async () => {
      const from = await openAt(await newPlace());
      for (let n = 0; n < 7; n++)
        await from.commit([append(events, event(`e${n}`, n % 2 === 0 ? "t" : "u"))]);
      await from.commit([insert(deep, row("a", 1, "x")), insert(deep, { ...row("a", 1, "y"), data: null })]);
      const before = await from.now();
      const target = await newPlace();
      const fill = await target.openFill(tables);
      const snapshot = await from.snapshot();
      const passed: Row[] = [];
      for (const table of [...ownTables, ...tables]) {
        const rows = await all(snapshot, table, 3);
        passed.push(...rows);
        // A log whose cursors have gaps, as where rows were never committed.
        const put =
          table === events ? rows.map((each) => ({ ...each, cursor: Number(each["cursor"]) * 10 })) : rows;
        for (let at = 0; at < put.length; at += 3) await fill.put(table, put.slice(at, at + 3));
      }
      snapshot.close();
      await fill.finish();
      const to = await openAt(target);
      expect(await to.list(deep, { index: "key", limit: 10 })).toEqual(
        await from.list(deep, { index: "key", limit: 10 }),
      );
      await to.commit([append(events, event("later", "u"))]);
      const log = await to.listLog(events, { partition: "u", limit: 10 });
      expect(log.map(({ id, cursor }) => [id, cursor > 70 ? "beyond" : cursor])).toEqual([
        ["e1", 20],
        ["e3", 40],
        ["e5", 60],
        ["later", "beyond"],
      ]);
      expect(await to.now()).toBeGreaterThanOrEqual(before as never);
    });

    it("a raised epoch is above every fence, also of names that the store has never seen", async () => {
      const store = await openAt(await newPlace());
      const held = await store.acquireLease("node/a", "a", 60_000);
      expect(await epochOf(store)).toBe(0);
      const epoch = await raiseEpoch(store, 90_000_000);
      expect(epoch).toBe(1_500);
      expect(await epochOf(store)).toBe(epoch);
      expect(held === null ? null : await store.renewLease(held, 60_000)).toBeNull();
      const again = await store.acquireLease("node/a", "b", 60_000);
      const fresh = await store.acquireLease("node/b", "b", 60_000);
      for (const lease of [again, fresh]) expect(lease?.fence).toBeGreaterThan(fenceFloor(epoch));
      // The minute is over long ago: an epoch grows all the same.
      expect(await raiseEpoch(store, 0)).toBe(epoch + 1);
      const last = await store.acquireLease("node/b", "c", 60_000);
      expect(last?.fence).toBeGreaterThan(fenceFloor(epoch + 1));
    });
  });
}

async function all(read: Snapshot, table: Table, limit: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const pages = table.shape === "log" ? scanLog(read, table, limit) : scanKeyed(read, table, limit);
  for await (const page of pages) rows.push(...page);
  return rows;
}
