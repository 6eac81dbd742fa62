import { describe, expect, it } from "vitest";
import { ManualClock, msOf, plusMs } from "../base/index.ts";
import { insert, isWaiting, remove, signal, takeBack, wakeUp } from "./index.ts";
import { item, items } from "./suite-model.fixture.ts";
import type { SuiteTools } from "./suite-tools.fixture.ts";

/** Store time, and what is held, left and done by it: leases, signals, wake-ups; in every store. */
export function waitsSuite({ newPlace, openAt, open, names }: SuiteTools): void {
  describe("store time", () => {
    it("is the wall's, comes with each flush, and never goes back, also over a restart", async () => {
      const where = await newPlace();
      const early = new ManualClock(1_000_000);
      const first = await openAt(where, { clock: early });
      early.advance(500);
      const seen = await first.commit([insert(items, item("x"))]);
      expect(msOf(seen.storeNow)).toBe(1_000_500);
      expect(msOf(await first.now())).toBe(1_000_500);
      await first.stop();
      const earlier = new ManualClock(900_000);
      const second = await openAt(where, { clock: earlier });
      expect(msOf(await second.now())).toBe(1_000_500);
      earlier.advance(200_000);
      expect(msOf(await second.now())).toBe(1_100_000);
    });
  });

  describe("leases", () => {
    it("belong to one holder until they expire, and fences only grow", async () => {
      const where = new ManualClock();
      const store = await open({ clock: where });
      const first = await store.acquireLease("l", "a", 1_000);
      expect(first).toMatchObject({ name: "l", holder: "a" });
      expect(await store.acquireLease("l", "b", 1_000)).toBeNull();
      const again = await store.acquireLease("l", "a", 1_000);
      expect(again?.fence).toBeGreaterThan(first?.fence ?? 0);
      expect(await store.renewLease(first ?? fail(), 1_000)).toBeNull();
      where.advance(999);
      expect(await store.acquireLease("l", "b", 1_000)).toBeNull();
      const renewed = await store.renewLease(again ?? fail(), 1_000);
      expect(renewed?.fence).toBe(again?.fence);
      where.advance(999);
      expect(await store.acquireLease("l", "b", 1_000)).toBeNull();
      where.advance(1);
      const taken = await store.acquireLease("l", "b", 1_000);
      expect(taken?.fence).toBeGreaterThan(again?.fence ?? 0);
      expect(await store.renewLease(renewed ?? fail(), 1_000)).toBeNull();
      expect((await store.acquireLease("other", "c", 1_000))?.holder).toBe("c");
    });

    it("once released are free at once, and their fence is spent", async () => {
      const store = await open();
      const first = (await store.acquireLease("l", "a", 1_000)) ?? fail();
      await store.releaseLease(first);
      expect(await store.renewLease(first, 1_000)).toBeNull();
      const second = (await store.acquireLease("l", "b", 1_000)) ?? fail();
      expect(second.fence).toBeGreaterThan(first.fence);
      await store.releaseLease(first);
      expect(await store.renewLease(second, 1_000)).not.toBeNull();
    });

    it("guard every flush they are bound to: after a takeover nothing more is written", async () => {
      const where = new ManualClock();
      const store = await open({ clock: where });
      const mine = (await store.acquireLease("node", "a", 1_000)) ?? fail();
      store.bindToLease(mine);
      expect((await store.commit([insert(items, item("x"))])).verdict).toBe("done");
      await store.putSignal({ topic: "s", key: "1", payload: "" });
      where.advance(1_001);
      expect((await store.commit([insert(items, item("y"))])).verdict).toBe("done");
      const theirs = (await store.acquireLease("node", "b", 1_000)) ?? fail();
      const lost = { name: "Fault", code: "lease-lost", effect: "none" };
      await expect(store.commit([insert(items, item("z"))])).rejects.toMatchObject(lost);
      await expect(store.takeSignals("s", 1)).rejects.toMatchObject(lost);
      await expect(store.takeDueWakeUps("s", 1)).rejects.toMatchObject(lost);
      expect(await names(store)).toEqual(["x", "y"]);
      expect(await store.renewLease(mine, 1_000)).toBeNull();
      store.bindToLease(theirs);
      expect((await store.commit([insert(items, item("z"))])).verdict).toBe("done");
    });
  });

  describe("signals", () => {
    it("wait until taken, once, in the order of arrival; per topic and key the first wins", async () => {
      const store = await open();
      expect(await store.putSignal({ topic: "t", key: "b", payload: "1" })).toBe(true);
      expect(await store.putSignal({ topic: "t", key: "a", payload: "2" })).toBe(true);
      expect(await store.putSignal({ topic: "t", key: "b", payload: "3" })).toBe(false);
      expect(await store.putSignal({ topic: "u", key: "b", payload: "4" })).toBe(true);
      expect(await store.takeSignals("t", 1)).toEqual([{ topic: "t", key: "b", payload: "1" }]);
      expect(await store.takeSignals("t", 9)).toEqual([{ topic: "t", key: "a", payload: "2" }]);
      expect(await store.takeSignals("t", 9)).toEqual([]);
      expect(await store.putSignal({ topic: "t", key: "b", payload: "5" })).toBe(true);
      expect(await store.takeSignals("u", 9)).toHaveLength(1);
    });

    it("can be part of a transaction, and are taken by one taker only", async () => {
      const store = await open();
      const failed = [
        signal({ topic: "t", key: "x", payload: "" }),
        remove(items, { owner: "o", name: "none" }),
      ];
      expect((await store.commit(failed)).verdict).toBe("guard-failed");
      expect(await store.takeSignals("t", 9)).toEqual([]);
      await store.commit(
        Array.from({ length: 50 }, (_, i) => signal({ topic: "t", key: `${i}`, payload: "p" })),
      );
      const taken = await Promise.all(Array.from({ length: 10 }, () => store.takeSignals("t", 7)));
      const keys = taken.flat().map(({ key }) => Number(key));
      expect(keys).toEqual(Array.from({ length: 50 }, (_, i) => i));
    });

    it("can be looked for, and taken back as long as nobody has taken them", async () => {
      const store = await open();
      const waits = () => isWaiting(store, "t", "k");
      expect(await waits()).toBe(false);
      for (const take of [() => store.takeSignals("t", 9), () => store.commit([takeBack("t", "k")])]) {
        await store.putSignal({ topic: "t", key: "k", payload: "p" });
        expect(await waits()).toBe(true);
        await take();
        expect(await waits()).toBe(false);
        expect((await store.commit([takeBack("t", "k")])).verdict).toBe("guard-failed");
      }
    });

    it("survive a restart", async () => {
      const where = await newPlace();
      const first = await openAt(where);
      await first.putSignal({ topic: "t", key: "k", payload: "p" });
      await first.stop();
      const second = await openAt(where);
      expect(await second.takeSignals("t", 9)).toHaveLength(1);
    });

    it("are hinted at to listeners of their topic, until these stop listening", async () => {
      const store = await open();
      let heard = 0;
      let others = 0;
      const stop = store.onHint("t", () => heard++);
      store.onHint("other", () => others++);
      store.onHint("t", () => {
        throw new Error("a listener that fails");
      });
      await store.putSignal({ topic: "t", key: "1", payload: "" });
      await expect.poll(() => heard).toBe(1);
      await store.putSignal({ topic: "t", key: "1", payload: "" });
      await store.commit([wakeUp("t", "w", await store.now())]);
      await expect.poll(() => heard).toBe(2);
      stop();
      await store.putSignal({ topic: "t", key: "2", payload: "" });
      await store.putSignal({ topic: "t", key: "3", payload: "" });
      expect([heard, others]).toEqual([2, 0]);
    });
  });

  describe("wake-ups", () => {
    it("come due by store time, earliest first, each once", async () => {
      const where = new ManualClock();
      const store = await open({ clock: where });
      const now = await store.now();
      await store.commit([
        wakeUp("t", "late", plusMs(now, 200)),
        wakeUp("t", "soon", plusMs(now, 100)),
        wakeUp("t", "b", plusMs(now, 150)),
        wakeUp("t", "a", plusMs(now, 150)),
        wakeUp("u", "soon", plusMs(now, 100)),
      ]);
      expect((await store.commit([wakeUp("t", "soon", now)])).verdict).toBe("guard-failed");
      expect(await store.takeDueWakeUps("t", 9)).toEqual([]);
      where.advance(150);
      const due = await store.takeDueWakeUps("t", 2);
      expect(due).toEqual([
        { topic: "t", key: "soon", at: plusMs(now, 100) },
        { topic: "t", key: "a", at: plusMs(now, 150) },
      ]);
      expect((await store.takeDueWakeUps("t", 9)).map(({ key }) => key)).toEqual(["b"]);
      expect(await store.takeDueWakeUps("t", 9)).toEqual([]);
      where.advance(1_000);
      expect((await store.takeDueWakeUps("t", 9)).map(({ key }) => key)).toEqual(["late"]);
    });
  });
}

function fail(): never {
  throw new Error("there should be a lease");
}
