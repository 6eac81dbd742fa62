import { describe, expect, it } from "vitest";
import type { Transaction, Verdict } from "./index.ts";
import { append, insert, remove, update, writesPerTransactionMax } from "./index.ts";
import { event, events, item, items, plain } from "./suite-model.fixture.ts";
import type { SuiteTools } from "./suite-tools.fixture.ts";

/** What becomes of transactions, in every store. */
export function writesSuite({ open, names }: SuiteTools): void {
  describe("writes", () => {
    it("reads back exactly what was inserted", async () => {
      const store = await open();
      const row = item("x", {
        size: Number.MAX_SAFE_INTEGER,
        note: "n",
        data: new Uint8Array([0, 255, 1]),
        rank: -5,
      });
      expect((await store.commit([insert(items, row)])).verdict).toBe("done");
      expect(plain(await store.get(items, { owner: "o", name: "x" }))).toEqual(plain(row));
      expect(await store.get(items, { owner: "o", name: "y" })).toBeNull();
    });

    it("carries unicode, empty and large values unchanged", async () => {
      const store = await open();
      const note = "\u0000 null, \u{1F600} astral, é combining, \uFFFD\uFFFF \u202E";
      const data = new Uint8Array(3_000_000).map((_, i) => i % 251);
      const long = "ä".repeat(500_000);
      await store.commit([
        insert(items, item("", { note, data })),
        insert(items, item(long, { data: new Uint8Array(0) })),
        insert(items, item("'; DROP TABLE item; --", { size: Number.MIN_SAFE_INTEGER })),
      ]);
      const found = await store.get(items, { owner: "o", name: "" });
      expect(found?.note).toBe(note);
      expect(Buffer.compare(found?.data ?? new Uint8Array(), data)).toBe(0);
      const other = await store.get(items, { owner: "o", name: long });
      expect(other?.data?.byteLength).toBe(0);
      const odd = await store.get(items, { owner: "o", name: "'; DROP TABLE item; --" });
      expect(odd?.size).toBe(Number.MIN_SAFE_INTEGER);
    });

    it("keeps its own copy of bytes", async () => {
      const store = await open();
      const data = new Uint8Array([1, 2, 3]);
      await store.commit([insert(items, item("x", { data }))]);
      data.fill(9);
      const first = await store.get(items, { owner: "o", name: "x" });
      first?.data?.fill(8);
      const second = await store.get(items, { owner: "o", name: "x" });
      expect([...(second?.data ?? [])]).toEqual([1, 2, 3]);
    });

    it("inserts only where no row holds the key, and names the write that failed", async () => {
      const store = await open();
      await store.commit([insert(items, item("x"))]);
      const verdict = await store.commit([insert(items, item("y")), insert(items, item("x", { size: 2 }))]);
      expect(verdict).toMatchObject({ verdict: "guard-failed", index: 1 });
      expect(await names(store)).toEqual(["x"]);
      expect((await store.get(items, { owner: "o", name: "x" }))?.size).toBe(1);
    });

    it("binds rows by their other unique keys, but not where one is null", async () => {
      const store = await open();
      await store.commit([
        insert(items, item("a", { note: "n", rank: 1 })),
        insert(items, item("b")),
        insert(items, item("c")),
      ]);
      const sameNote = await store.commit([insert(items, item("d", { owner: "p", note: "n" }))]);
      expect(sameNote).toMatchObject({ verdict: "guard-failed", index: 0 });
      const sameRank = await store.commit([insert(items, item("d", { rank: 1 }))]);
      expect(sameRank.verdict).toBe("guard-failed");
      const otherOwner = await store.commit([insert(items, item("d", { owner: "p", rank: 1 }))]);
      expect(otherOwner.verdict).toBe("done");
      const clash = await store.commit([update(items, { owner: "o", name: "b" }, { note: "n" })]);
      expect(clash).toMatchObject({ verdict: "guard-failed", index: 0 });
      expect((await store.get(items, { note: "n" }))?.name).toBe("a");
      expect(await store.get(items, { owner: "o", rank: 2 })).toBeNull();
    });

    it("updates only the row it names, and only while it is as expected", async () => {
      const store = await open();
      await store.commit([insert(items, item("x", { data: new Uint8Array([7]) })), insert(items, item("y"))]);
      const key = { owner: "o", name: "x" };
      const commit = (...writes: Transaction): Promise<Verdict> => store.commit(writes);
      expect((await commit(update(items, key, { size: 2 }, { size: 1, note: null }))).verdict).toBe("done");
      expect((await commit(update(items, key, { size: 3 }, { size: 1 }))).verdict).toBe("guard-failed");
      expect((await commit(update(items, key, { size: 3 }, { note: "n" }))).verdict).toBe("guard-failed");
      const bytes = update(items, key, { note: "m" }, { data: new Uint8Array([7]) });
      expect((await commit(bytes)).verdict).toBe("done");
      expect((await commit(update(items, key, { note: null }, { note: "m" }))).verdict).toBe("done");
      expect((await commit(update(items, { owner: "o", name: "z" }, { size: 3 }))).verdict).toBe(
        "guard-failed",
      );
      expect((await store.get(items, key))?.size).toBe(2);
      expect((await store.get(items, { owner: "o", name: "y" }))?.size).toBe(1);
    });

    it("checks without changing when nothing is set", async () => {
      const store = await open();
      await store.commit([insert(items, item("x"))]);
      const check = update(items, { owner: "o", name: "x" }, {}, { size: 1 });
      expect((await store.commit([check, insert(items, item("y"))])).verdict).toBe("done");
      const wrong = update(items, { owner: "o", name: "x" }, {}, { size: 2 });
      expect(await store.commit([wrong, insert(items, item("z"))])).toMatchObject({ index: 0 });
      expect(await names(store)).toEqual(["x", "y"]);
    });

    it("updates by another unique key", async () => {
      const store = await open();
      await store.commit([insert(items, item("x", { note: "n" }))]);
      expect((await store.commit([update(items, { note: "n" }, { size: 8 })])).verdict).toBe("done");
      expect((await store.get(items, { note: "n" }))?.size).toBe(8);
    });

    it("deletes only while the row is as expected", async () => {
      const store = await open();
      await store.commit([insert(items, item("x"))]);
      const key = { owner: "o", name: "x" };
      expect((await store.commit([remove(items, key, { size: 2 })])).verdict).toBe("guard-failed");
      expect((await store.commit([remove(items, key, { size: 1 })])).verdict).toBe("done");
      expect((await store.commit([remove(items, key)])).verdict).toBe("guard-failed");
      expect((await store.commit([insert(items, item("x"))])).verdict).toBe("done");
    });

    it("sees a transaction's own earlier writes, and undoes all of them together", async () => {
      const store = await open();
      await store.commit([insert(items, item("old", { note: "kept" }))]);
      const done = await store.commit([
        insert(items, item("x")),
        update(items, { owner: "o", name: "x" }, { size: 5 }, { size: 1 }),
        remove(items, { owner: "o", name: "x" }, { size: 5 }),
        insert(items, item("x", { size: 6 })),
      ]);
      expect(done.verdict).toBe("done");
      const failed = await store.commit([
        remove(items, { owner: "o", name: "x" }),
        update(items, { owner: "o", name: "old" }, { note: "changed" }),
        append(events, event("e1")),
        insert(items, item("x", { size: 7 })),
        insert(items, item("old")),
      ]);
      expect(failed).toMatchObject({ verdict: "guard-failed", index: 4 });
      expect((await store.get(items, { owner: "o", name: "x" }))?.size).toBe(6);
      expect((await store.get(items, { note: "kept" }))?.name).toBe("old");
      expect(await store.getLogged(events, "e1")).toBeNull();
    });

    it("gives each transaction of a flush its own verdict, in the order of arrival", async () => {
      const store = await open();
      const verdicts = await Promise.all([
        store.commit([insert(items, item("x", { size: 1 }))]),
        store.commit([insert(items, item("y")), insert(items, item("x", { size: 2 }))]),
        store.commit([update(items, { owner: "o", name: "x" }, { size: 3 }, { size: 1 })]),
        store.commit([]),
        store.commit([remove(items, { owner: "o", name: "y" })]),
        store.commit([insert(items, item("y"))]),
      ]);
      expect(verdicts.map(({ verdict }) => verdict)).toEqual([
        "done",
        "guard-failed",
        "done",
        "done",
        "guard-failed",
        "done",
      ]);
      expect((await store.get(items, { owner: "o", name: "x" }))?.size).toBe(3);
    });

    it("resolves in the order of arrival", async () => {
      const store = await open();
      const order: number[] = [];
      await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          await store.commit([append(events, event(`e${i}`))]);
          order.push(i);
        }),
      );
      expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i));
      const rows = await store.listLog(events, { partition: "t", limit: 300 });
      expect(rows.map((row) => row.id)).toEqual(order.map((i) => `e${i}`));
    });

    it.each([
      ["an unknown table", [{ op: "insert", table: "nowhere", row: {} }]],
      ["an unknown column", [{ op: "insert", table: "item", row: { ...item("x"), extra: 1 } }]],
      ["a null where none may be", [{ op: "insert", table: "item", row: { ...item("x"), size: null } }]],
      ["a number in a text column", [{ op: "insert", table: "item", row: { ...item("x"), note: 5 } }]],
      ["an unsafe integer", [insert(items, item("x", { size: 2 ** 53 }))]],
      ["a fraction", [insert(items, item("x", { size: 0.5 }))]],
      ["text with a lone surrogate", [insert(items, item("x\uD800"))]],
      ["an update by half a key", [update(items, { owner: "o" }, { size: 2 })]],
      ["an update of a key column", [update(items, { owner: "o", name: "x" }, { name: "z" })]],
      ["an insert into a log", [{ op: "insert", table: "event", row: event("e") }]],
      ["an append to a keyed table", [{ op: "append", table: "item", row: item("x") }]],
      [
        "too many writes",
        Array.from({ length: writesPerTransactionMax + 1 }, (_, i) => insert(items, item(`${i}`))),
      ],
    ] as [string, Transaction][])("refuses %s as a bug, and goes on", async (_, transaction) => {
      const store = await open();
      const beside = store.commit([insert(items, item("beside"))]);
      await expect(store.commit(transaction)).rejects.toMatchObject({ name: "InvariantError" });
      expect((await beside).verdict).toBe("done");
      expect(await names(store)).toEqual(["beside"]);
    });
  });
}
