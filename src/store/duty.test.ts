import { expect, test } from "vitest";
import { ManualClock } from "../base/index.ts";
import { Duty } from "./duty.ts";
import type { Store } from "./index.ts";
import { MemoryDatabase, openMemoryStore } from "./memory/index.ts";

test("a node that has lost its own lease does not hold it against others", async () => {
  const { clock, one, other, stores } = await twoNodes();
  const [first, second] = stores;
  const lease = await first?.acquireLease("node/one", "one", 9_000);
  if (first === undefined || second === undefined || !lease) throw new Error("the lease is free");
  first.bindToLease(lease);
  await one.isOurs();
  clock.advance(10_000);
  expect(await second.acquireLease("node/one", "other", 9_000)).not.toBeNull();
  await expect(one.isOurs()).rejects.toMatchObject({ code: "lease-lost" });
  expect(await other.isOurs()).toBe(true);
});

async function twoNodes() {
  const clock = new ManualClock();
  const database = new MemoryDatabase([]);
  const stores: Store[] = [];
  const dutyOf = async (holder: string) => {
    const store = openMemoryStore({ tables: [], clock, database });
    await store.start();
    stores.push(store);
    return new Duty({ store, clock, name: "sweeping", holder, ttlMs: 9_000 });
  };
  return { clock, stores, one: await dutyOf("one"), other: await dutyOf("other") };
}

test("one node at a time has it, as long as it asks", async () => {
  const { clock, one, other } = await twoNodes();
  expect([await one.isOurs(), await other.isOurs()]).toEqual([true, false]);
  for (let asked = 0; asked < 10; asked++) {
    clock.advance(4_000);
    expect([await one.isOurs(), await other.isOurs()]).toEqual([true, false]);
  }
});

test("whoever falls silent loses it, and learns so when it asks again", async () => {
  const { clock, one, other } = await twoNodes();
  await one.isOurs();
  clock.advance(10_000);
  expect(await other.isOurs()).toBe(true);
  expect(await one.isOurs()).toBe(false);
});

test("given up, it is anybody's at once", async () => {
  const { clock, one, other } = await twoNodes();
  await one.isOurs();
  expect(await other.isOurs()).toBe(false);
  await one.giveUp();
  clock.advance(3_000);
  expect(await other.isOurs()).toBe(true);
});

test("many who ask at once ask the store once", async () => {
  const { one } = await twoNodes();
  const answers = [one.isOurs(), one.isOurs()];
  expect(answers[0]).toBe(answers[1]);
  expect([await answers[0], await answers[1]]).toEqual([true, true]);
  expect(one.isOurs()).toBe(true);
});
