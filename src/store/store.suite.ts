import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import type { Store, Transaction } from "./index.ts";
import { append, insert, integer, keyedTable, remove, text, textOrNull, update } from "./index.ts";
import {
  Model,
  arbitraryHandovers,
  arbitraryTransaction,
  event,
  events,
  item,
  items,
  plain,
  tables,
} from "./suite-model.fixture.ts";
import type { SuitePlace, SuiteTools } from "./suite-tools.fixture.ts";
import { readsSuite } from "./reads.suite.ts";
import { waitsSuite } from "./waits.suite.ts";
import { writesSuite } from "./writes.suite.ts";

const worn = keyedTable({
  name: "worn",
  columns: { name: text, size: integer, colour: text, mark: textOrNull },
  key: ["name"],
  unique: { mark: ["mark"] },
  indexes: { colour: ["colour"] },
  givenUp: { columns: { colour: 2, mark: 2 }, indexes: { colour: 2, mark: 2 } },
});
const gone = keyedTable({ name: "gone", columns: { name: text }, key: ["name"], givenUp: { table: 2 } });

/** On a slow machine fewer interleavings are tried. */
const modelMsMax = 15_000;

/** The behaviour every store has. Run it on the real thing. */
export function storeSuite(name: string, place: () => Promise<SuitePlace>): void {
  describe(`${name} store`, () => {
    const opened: Store[] = [];
    const places: SuitePlace[] = [];
    const clock = new ManualClock();

    afterEach(async () => {
      for (const store of opened.splice(0)) await store.stop();
      for (const used of places.splice(0)) await used.remove();
    });

    const newPlace = async (): Promise<SuitePlace> => {
      const made = await place();
      places.push(made);
      return made;
    };
    const openAt = async (
      at: SuitePlace,
      more: { clock?: Clock; waitingMax?: number } = {},
    ): Promise<Store> => {
      const store = at.open({ tables, clock, ...more });
      opened.push(store);
      await store.start();
      return store;
    };
    const open = async (more: { clock?: Clock; waitingMax?: number } = {}): Promise<Store> =>
      openAt(await newPlace(), more);
    const names = async (store: Store): Promise<string[]> => {
      const rows = await store.list(items, { index: "key", equals: { owner: "o" }, limit: 100 });
      return rows.map((row) => row.name);
    };

    it("keeps nothing of what its tables have given up, which is filled and neither read by nor compared", async () => {
      const place = await newPlace();
      const store = place.open({ tables: [items, worn, gone], clock });
      opened.push(store);
      await store.start();
      const write = insert(worn, { name: "x", size: 1, colour: "red", mark: "m" });
      expect((await store.commit([write])).verdict).toBe("done");
      const repaint = update(worn, { name: "x" }, { size: 2, colour: "blue" }, { size: 1 });
      expect((await store.commit([repaint])).verdict).toBe("done");
      const unmarked = update(worn, { name: "x" }, { mark: null }, { size: 3 });
      expect((await store.commit([unmarked])).verdict).toBe("guard-failed");
      expect(await store.get(worn, { name: "x" })).toEqual({ name: "x", size: 2, colour: null, mark: null });
      const bug = { name: "InvariantError" };
      const list = store.list(worn, { index: "colour", equals: { colour: "red" }, limit: 1 });
      await expect(list).rejects.toMatchObject(bug);
      await expect(store.get(worn, { mark: "m" })).rejects.toMatchObject(bug);
      const compared = update(worn, { name: "x" }, { size: 3 }, { colour: "red" });
      await expect(store.commit([compared])).rejects.toMatchObject(bug);
      await expect(store.commit([insert(gone, { name: "y" })])).rejects.toMatchObject(bug);
      expect((await store.commit([remove(worn, { name: "x" })])).verdict).toBe("done");
    });

    const tools: SuiteTools = { newPlace, openAt, open, names };
    writesSuite(tools);
    readsSuite(tools);
    waitsSuite(tools);

    describe("bounds and life", () => {
      it("refuses what does not fit into its queue, writes none of it, and takes more once there is room", async () => {
        const store = await open({ waitingMax: 5 });
        const offered = Array.from({ length: 8 }, (_, i) => store.commit([insert(items, item(`i${i}`))]));
        const settled = await Promise.allSettled(offered);
        expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
        for (const one of settled) {
          if (one.status === "rejected") {
            expect(one.reason).toMatchObject({ code: "store-busy", effect: "none", retry: "later" });
          }
        }
        expect(await names(store)).toEqual(["i0", "i1", "i2", "i3", "i4"]);
        expect((await store.commit([insert(items, item("later"))])).verdict).toBe("done");
        expect(store.stats()).toMatchObject({ waiting: 0, waitingMax: 5 });
      });

      it("refuses more bytes than it may hold", async () => {
        const store = await open();
        const data = new Uint8Array(30_000_000);
        const settled = await Promise.allSettled(
          ["a", "b", "c"].map((name) => store.commit([insert(items, item(name, { data }))])),
        );
        expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
        expect((settled[2] as PromiseRejectedResult).reason).toMatchObject({ code: "store-busy" });
      });

      it("flushes what it accepted when it stops, and then takes nothing more", async () => {
        const where = await newPlace();
        const store = await openAt(where);
        const accepted = Array.from({ length: 100 }, (_, i) =>
          store.commit([append(events, event(`e${i}`))]),
        );
        const stopping = [store.stop(), store.stop()];
        await expect(store.commit([append(events, event("late"))])).rejects.toMatchObject({
          code: "shutting-down",
        });
        await Promise.all(stopping);
        const verdicts = await Promise.all(accepted);
        expect(verdicts.every(({ verdict }) => verdict === "done")).toBe(true);
        await expect(store.get(items, { owner: "o", name: "x" })).rejects.toMatchObject({
          code: "shutting-down",
        });
        await store.stop();
        const reopened = await openAt(where);
        expect(await reopened.listLog(events, { partition: "t", limit: 200 })).toHaveLength(100);
      });
    });

    describe("as a whole", () => {
      const agreesWithModel = async (
        arbitraryWaves: fc.Arbitrary<readonly (readonly Transaction[])[]>,
      ): Promise<void> => {
        const endAt = performance.now() + modelMsMax;
        await fc.assert(
          fc.asyncProperty(arbitraryWaves, async (waves) => {
            // Not left to fast-check, which would leave a store that is at work behind.
            if (performance.now() > endAt) return;
            const where = await place();
            const store = where.open({ tables, clock });
            try {
              await store.start();
              const model = new Model();
              for (const wave of waves) {
                const got = await Promise.all(wave.map((transaction) => store.commit(transaction)));
                const wanted = wave.map((transaction) => model.commit(transaction));
                expect(got.map((verdict) => (verdict.verdict === "done" ? -1 : verdict.index))).toEqual(
                  wanted,
                );
              }
              const rows = await store.list(items, { index: "key", limit: 1_000 });
              expect(rows.map(plain)).toEqual(model.items().map(plain));
              const logged = await store.listLog(events, { partition: "t", limit: 1_000 });
              expect(logged.map((row) => row.id)).toEqual(model.log);
            } finally {
              await store.stop();
              await where.remove();
            }
          }),
          { numRuns: 40 },
        );
      };

      it("agrees with a plain model under any interleaving of transactions", () =>
        agreesWithModel(fc.array(fc.array(arbitraryTransaction, { maxLength: 6 }), { maxLength: 12 })));

      it("agrees with it where transactions want what others of the same flush let go of", () =>
        agreesWithModel(arbitraryHandovers));
    });
  });
}
