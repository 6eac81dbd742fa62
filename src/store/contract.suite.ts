import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Contraction, ContractOrder } from "./contraction.ts";
import type { StoreFill } from "./fill.ts";
import { scanKeyed } from "./scan.ts";
import type { Store, Table, Transaction } from "./index.ts";
import {
  append,
  blob,
  insert,
  integer,
  integerOrNull,
  keyedTable,
  logTable,
  text,
  textOrNull,
  update,
} from "./index.ts";

export interface ContractPlace {
  /** Rejects where the data is refused. */
  open(tables: readonly Table[]): Promise<Store>;
  contract(order: ContractOrder): Promise<Contraction>;
  /** Names of the columns of a table; none = it is not there. */
  columns(table: string): Promise<readonly string[]>;
  /** `table.name` each. */
  indexes(): Promise<readonly string[]>;
  /** Of an empty place of the same kind. */
  openFill(tables: readonly Table[]): Promise<StoreFill>;
  remove(): Promise<void>;
}

const columns = { name: text, size: integer, kind: text, note: textOrNull, rank: integerOrNull };
const thing1 = keyedTable({
  name: "thing",
  key: ["name"],
  columns,
  unique: { note: ["note"] },
  indexes: { kind: ["kind", "size"], size: ["size"] },
});
const event1 = logTable({
  name: "event",
  id: "id",
  partition: "tenant",
  columns: { id: text, tenant: text, body: blob, remark: text },
});
const old1 = keyedTable({ name: "old", key: ["name"], columns: { name: text } });

/** Version 2 does without a kind, a note and a remark, which version 1 cannot do without, and without a table. */
export const thing2 = keyedTable({
  ...thing1,
  columns,
  givenUp: { columns: { kind: 2, note: 2 }, indexes: { kind: 2, note: 2 } },
});
const event2 = logTable({ ...event1, columns: event1.columns, givenUp: { columns: { remark: 2 } } });
const old2 = keyedTable({ ...old1, columns: old1.columns, givenUp: { table: 2 } });
const later = keyedTable({ name: "later", since: 3, key: ["name"], columns: { name: text } });

export const tables1 = [thing1, event1, old1];
export const tables2 = [thing2, event2, old2];
const tables3 = [...tables2, later];

const row = (name: string) => ({ name, size: name.length, kind: `kind of ${name}`, note: name, rank: null });
const happens = (id: string) =>
  append(event2, { id, tenant: "t", body: new Uint8Array([1]), remark: `remark of ${id}` });
/** As code of version 2 writes: filled for version 1, also where nothing else is changed. */
export const written = (name: string): Transaction => [
  insert(thing2, row(name)),
  happens(`e-${name}`),
  update(thing2, { name }, { rank: 1, kind: "another" }, { size: name.length }),
  update(thing2, { name }, { note: null }, { rank: 1 }),
];

const all = [
  ["index", "note"],
  ["index", "kind"],
  ["column", "kind"],
  ["column", "note"],
  ["column", "remark"],
  ["table", "old"],
];
const namesOf = ({ remnants }: Contraction) => remnants.map(({ kind, name }) => [kind, name]);
const sorted = (names: readonly (readonly string[])[]) => names.map((each) => each.join(" ")).toSorted();

/** What contracting data promises, of whatever store. */
export function contractSuite(name: string, makePlace: () => Promise<ContractPlace>): void {
  describe(`${name}: what a version has given up`, () => {
    let place: ContractPlace;
    const opened: Store[] = [];
    const open = async (tables: readonly Table[]): Promise<Store> => {
      const store = await place.open(tables);
      opened.push(store);
      return store;
    };
    const close = async () => {
      for (const store of opened.splice(0)) await store.stop();
    };
    const contract = (more: Partial<ContractOrder> = {}) =>
      place.contract({ tables: tables2, isDry: false, ...more });

    /** Data of version 1, used by it, then by version 2. */
    beforeEach(async () => {
      place = await makePlace();
      const first = await open(tables1);
      await first.commit([insert(thing1, row("first")), insert(old1, { name: "o" })]);
      await close();
      const second = await open(tables2);
      expect(await second.commit(written("second"))).toMatchObject({ verdict: "done" });
      await close();
    });
    afterEach(async () => {
      await close();
      await place.remove();
    });

    it("is filled for the version before, which finds what it needs, until somebody has it removed", async () => {
      const back = await open(tables1);
      expect(await back.get(thing1, { note: "first" })).toMatchObject({ kind: "kind of first" });
      expect(await back.get(thing1, { name: "second" })).toMatchObject({ kind: "another", note: null });
      expect(await back.getLogged(event1, "e-second")).toMatchObject({ remark: "remark of e-second" });
      expect(await back.list(old1, { index: "key", limit: 9 })).toHaveLength(1);
    });

    it("is only named when it is looked at", async () => {
      const found = await contract({ isDry: true });
      expect(found).toMatchObject({ dataVersion: 2, readerMin: 1, readerMinAfter: 2, olderNodes: 0 });
      expect(sorted(namesOf(found))).toEqual(sorted(all));
      await open(tables1);
    });

    it("is removed, once; then the version before is refused, with the one that opens the data", async () => {
      const told: string[] = [];
      const done = await contract({ onRemoved: ({ kind, name }) => told.push(`${kind} ${name}`) });
      expect(told.toSorted()).toEqual(sorted(all));
      expect(sorted(namesOf(done))).toEqual(sorted(all));
      expect(await place.columns("thing")).toEqual(expect.arrayContaining(["name", "size", "rank"]));
      expect(await place.columns("thing")).not.toContain("kind");
      expect(await place.columns("event")).not.toContain("remark");
      expect(await place.columns("old")).toEqual([]);
      expect(await place.indexes()).not.toContain("thing.kind");
      expect(await place.indexes()).toContain("thing.size");
      await expect(open(tables1)).rejects.toMatchObject({ code: "store-version" });
      await expect(open(tables1)).rejects.toThrow("use one of version 2");
      expect(await contract()).toMatchObject({ remnants: [], readerMin: 2 });
    });

    it("is no longer missed: rows are written and changed as before, and guards hold as before", async () => {
      await contract();
      const store = await open(tables2);
      expect(await store.get(thing2, { name: "first" })).toMatchObject({ size: 5, kind: null, note: null });
      expect(await store.commit(written("third"))).toMatchObject({ verdict: "done" });
      expect(await store.get(thing2, { name: "third" })).toMatchObject({ rank: 1, kind: null });
      expect(await store.getLogged(event2, "e-third")).toMatchObject({ tenant: "t", remark: null });
      expect(await store.commit(written("third"))).toMatchObject({ verdict: "guard-failed", index: 0 });
      const nothing = update(thing2, { name: "third" }, { kind: "x" }, { rank: 2 });
      expect(await store.commit([happens("e-4"), nothing])).toMatchObject({
        verdict: "guard-failed",
        index: 1,
      });
      expect(await store.getLogged(event2, "e-4")).toBeNull();
      await close();
      const again = await open(tables2); // and is not made anew
      expect(await again.list(thing2, { index: "size", from: 0, limit: 9 })).toHaveLength(3);
      expect(await place.columns("thing")).not.toContain("kind");
      await close();
      await open(tables3);
      expect(await place.columns("thing")).not.toContain("kind");
      expect(await place.columns("later")).toContain("name");
    });

    it("is removed by the next time, where a removal ended half-way", async () => {
      let removed = 0;
      const half = contract({
        onRemoved: () => {
          if (++removed === 3) throw new Error("killed");
        },
      });
      await expect(half).rejects.toThrow("killed");
      await expect(open(tables1)).rejects.toMatchObject({ code: "store-version" });
      const store = await open(tables2);
      expect(await store.commit(written("between"))).toMatchObject({ verdict: "done" });
      await close();
      expect((await contract()).remnants).toHaveLength(3);
      expect(await contract()).toMatchObject({ remnants: [] });
    });

    it("is removed by a program of the data's own version alone", async () => {
      const notYet = contract({ tables: tables3 });
      await expect(notYet).rejects.toThrow(/no node of version 3 has worked on it/);
      await (await open(tables3)).stop();
      await expect(contract()).rejects.toThrow(/by a program of that version/);
      // What a version has given up, the next one can remove as well.
      expect((await contract({ tables: tables3 })).remnants).toHaveLength(all.length);
    });

    it("is not there in data that begins with it, nor in a copy", async () => {
      const source = await open(tables2);
      const target = await makePlace();
      const fill = await target.openFill(tables2);
      const snapshot = await source.snapshot();
      const copied: readonly Table[] = [thing2, old2];
      for (const table of copied)
        if (table.shape === "keyed")
          for await (const page of scanKeyed(snapshot, table, 9)) await fill.put(table, page);
      snapshot.close();
      await fill.finish();
      await close();
      await place.remove();
      place = target;
      const copy = await open(tables2);
      expect(await copy.get(thing2, { name: "second" })).toMatchObject({ size: 6, kind: null });
      expect(await place.columns("thing")).not.toContain("kind");
      expect(await place.columns("old")).toEqual([]);
      await close();
      await expect(open(tables1)).rejects.toMatchObject({ code: "store-version" });
    });
  });
}
