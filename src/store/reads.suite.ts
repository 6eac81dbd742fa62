import { describe, expect, it } from "vitest";
import type { ListOptions, LogOptions, Store } from "./index.ts";
import { append, insert, rowsPerReadMax, update } from "./index.ts";
import { event, events, item, items } from "./suite-model.fixture.ts";
import type { SuiteTools } from "./suite-tools.fixture.ts";

/** What lists and logs give back, in every store. */
export function readsSuite({ open, names }: SuiteTools): void {
  describe("lists", () => {
    const filled = async (): Promise<Store> => {
      const store = await open();
      const sizes = [3, 1, 2, 2, 5, 2];
      await store.commit([
        ...sizes.map((size, i) => insert(items, item(`i${i}`, { size, rank: i % 2 === 0 ? i : null }))),
        insert(items, item("other", { owner: "p", size: 2 })),
      ]);
      return store;
    };
    type Options = Omit<ListOptions<typeof items.columns>, "limit"> & { limit?: number };
    const list = async (store: Store, options: Options): Promise<string> => {
      const rows = await store.list(items, { limit: 100, ...options });
      return rows.map((row) => row.name).join(" ");
    };

    it.each([
      ["the whole index", { index: "size" }, "i1 i2 i3 i5 i0 i4 other"],
      ["downwards", { index: "size", order: "descending" }, "other i4 i0 i5 i3 i2 i1"],
      ["a prefix", { index: "size", equals: { owner: "o" } }, "i1 i2 i3 i5 i0 i4"],
      ["the whole key as prefix", { index: "size", equals: { owner: "o", size: 2 } }, "i2 i3 i5"],
      ["above", { index: "size", equals: { owner: "o" }, after: 2 }, "i0 i4"],
      ["from", { index: "size", equals: { owner: "o" }, from: 2 }, "i2 i3 i5 i0 i4"],
      ["up to", { index: "size", equals: { owner: "o" }, upTo: 2 }, "i1 i2 i3 i5"],
      [
        "between, downwards",
        { index: "size", equals: { owner: "o" }, after: 1, upTo: 3, order: "descending" },
        "i0 i5 i3 i2",
      ],
      ["nothing between", { index: "size", equals: { owner: "o" }, after: 3, upTo: 4 }, ""],
      ["a limit", { index: "size", equals: { owner: "o" }, limit: 2 }, "i1 i2"],
      [
        "a limit from the end",
        { index: "size", equals: { owner: "o" }, limit: 2, order: "descending" },
        "i4 i0",
      ],
      ["nulls first, in a unique key", { index: "ranked", equals: { owner: "o" } }, "i1 i3 i5 i0 i2 i4"],
      ["only values where there is a bound", { index: "ranked", equals: { owner: "o" }, upTo: 2 }, "i0 i2"],
      [
        "only nulls where null is asked for",
        { index: "ranked", equals: { owner: "o", rank: null } },
        "i1 i3 i5",
      ],
      ["the first column bounded", { index: "key", after: "o" }, "other"],
      ["nobody's", { index: "key", equals: { owner: "nobody" } }, ""],
    ] as [string, Options, string][])("lists %s", async (_, options, expected) => {
      expect(await list(await filled(), options)).toBe(expected);
    });

    it("finds by a sparse index what has no null there, and is asked for nothing else by it", async () => {
      const store = await open();
      await store.commit([
        ...[3, null, 1, null, 2].map((rank, i) => insert(items, item(`i${i}`, { rank }))),
        insert(items, item("elsewhere", { owner: "p", rank: 1 })),
      ]);
      const ranked = async (bounds: { from?: number; upTo?: number }) =>
        (await store.list(items, { index: "rank", equals: { owner: "o" }, ...bounds, limit: 10 })).map(
          ({ name }) => name,
        );
      expect(await ranked({ from: 0 })).toEqual(["i2", "i4", "i0"]);
      expect(await ranked({ upTo: 2 })).toEqual(["i2", "i4"]);
      await store.commit([update(items, { owner: "o", name: "i1" }, { rank: 0 })]);
      await store.commit([update(items, { owner: "o", name: "i2" }, { rank: null })]);
      expect(await ranked({ from: 0 })).toEqual(["i1", "i4", "i0"]);
      await expect(ranked({})).rejects.toMatchObject({ name: "InvariantError" });
    });

    it("orders text by code point", async () => {
      const store = await open();
      const all = ["\u{1F600}", "\uFFFD", "a", "Z", "é", "aa", ""];
      await store.commit(all.map((name) => insert(items, item(name))));
      expect(await names(store)).toEqual(["", "Z", "a", "aa", "é", "\uFFFD", "\u{1F600}"]);
      const after = await store.list(items, {
        index: "key",
        equals: { owner: "o" },
        after: "\uFFFD",
        limit: 9,
      });
      expect(after.map((row) => row.name)).toEqual(["\u{1F600}"]);
    });

    it("pages through everything once, both ways", async () => {
      const store = await open();
      const all = Array.from({ length: 95 }, (_, i) => `n${String(i).padStart(3, "0")}`);
      await store.commit(all.map((name) => insert(items, item(name))));
      const seen: string[] = [];
      for (let after: string | undefined; ;) {
        const page = await store.list(items, {
          index: "key",
          equals: { owner: "o" },
          limit: 10,
          ...(after === undefined ? {} : { after }),
        });
        seen.push(...page.map((row) => row.name));
        after = page.at(-1)?.name;
        if (page.length < 10) break;
      }
      expect(seen).toEqual(all);
    });

    it.each([
      ["no limit", { index: "key", limit: 0 }],
      ["too high a limit", { index: "key", limit: rowsPerReadMax + 1 }],
      ["an unknown index", { index: "nothing", limit: 1 }],
      ["columns that are no prefix", { index: "size", equals: { size: 1 }, limit: 1 }],
      [
        "a bound with no column left",
        { index: "key", equals: { owner: "o", name: "x" }, after: "x", limit: 1 },
      ],
    ])("refuses %s as a bug", async (_, options) => {
      const store = await open();
      await expect(store.list(items, options)).rejects.toMatchObject({ name: "InvariantError" });
    });
  });

  describe("logs", () => {
    it("takes an id once, over all partitions", async () => {
      const store = await open();
      await store.commit([append(events, event("e1", "a"))]);
      expect(
        await store.commit([append(events, event("e2", "b")), append(events, event("e1", "b"))]),
      ).toMatchObject({
        verdict: "guard-failed",
        index: 1,
      });
      expect((await store.getLogged(events, "e1"))?.tenant).toBe("a");
      expect(await store.getLogged(events, "e2")).toBeNull();
    });

    it("gives cursors that grow, and never a row below one that was seen", async () => {
      const store = await open();
      let seen = 0;
      const found: string[] = [];
      const follow = async (): Promise<void> => {
        const rows = await store.listLog(events, { partition: "a", after: seen, limit: 50 });
        for (const row of rows) {
          expect(row.cursor).toBeGreaterThan(seen);
          seen = row.cursor;
          found.push(row.id);
        }
      };
      const writing = { isOver: false };
      const following = (async () => {
        while (!writing.isOver) {
          await follow();
          await store.now(); // lets a flush go out in between
        }
        for (let i = 0; i < 3; i++) await follow();
      })();
      await Promise.all(
        Array.from({ length: 120 }, async (_, i) => {
          for (let turn = 0; turn < i; turn++) await Promise.resolve();
          await store.commit([append(events, event(`e${i}`, i % 3 === 0 ? "b" : "a"))]);
        }),
      );
      writing.isOver = true;
      await following;
      expect(found.length).toBe(80);
      expect(new Set(found).size).toBe(80);
    });

    it("reads a partition both ways from a cursor", async () => {
      const store = await open();
      for (let i = 0; i < 6; i++) await store.commit([append(events, event(`e${i}`, i === 2 ? "b" : "a"))]);
      const ids = async (options: Partial<Omit<LogOptions, "columns">>): Promise<string> => {
        const rows = await store.listLog(events, { partition: "a", limit: 100, ...options });
        return rows.map((row) => row.id).join(" ");
      };
      const narrow = await store.listLog(events, { partition: "a", limit: 1, columns: ["id"] });
      expect(Object.keys(narrow[0] ?? {}).toSorted()).toEqual(["cursor", "id"]);
      const all = await store.listLog(events, { partition: "a", limit: 100 });
      const middle = all[2]?.cursor ?? 0;
      expect(await ids({})).toBe("e0 e1 e3 e4 e5");
      expect(await ids({ after: middle })).toBe("e4 e5");
      expect(await ids({ after: middle, order: "descending" })).toBe("e1 e0");
      expect(await ids({ order: "descending", limit: 2 })).toBe("e5 e4");
      expect(await ids({ partition: "nobody" })).toBe("");
    });

    it("finds ids by their beginning, whatever characters it ends in", async () => {
      const store = await open();
      const all = [
        "call_1:0",
        "call_1:1",
        "call_10:0",
        "call_2:0",
        "call",
        "\u{10FFFF}",
        "\u{10FFFF}x",
        "c%ll_1",
        "\uD7FFx",
        "\uE000",
      ];
      for (const id of all) await store.commit([append(events, event(id))]);
      const found = async (prefix: string, limit = 10): Promise<string[]> => {
        const rows = await store.listById(events, prefix, limit);
        return rows.map((row) => row.id);
      };
      expect(await found("call_1:")).toEqual(["call_1:0", "call_1:1"]);
      expect(await found("call_1")).toEqual(["call_10:0", "call_1:0", "call_1:1"]);
      expect(await found("c%")).toEqual(["c%ll_1"]);
      expect(await found("\u{10FFFF}")).toEqual(["\u{10FFFF}", "\u{10FFFF}x"]);
      expect(await found("\uD7FF")).toEqual(["\uD7FFx"]);
      expect(await found("", 2)).toHaveLength(2);
      expect(await found("none")).toEqual([]);
    });
  });
}
