import { expect, test } from "vitest";
import { elapsedMs } from "../base/index.ts";
import { acme, openedLedger, sampleEntry, settled } from "./ledger.fixture.ts";
import { sequencerLeaseMs } from "./sequencing.ts";

/** Two nodes on one database, with one clock. */
async function twoNodes() {
  const one = await openedLedger({ holder: "one" });
  const { clock, database } = one;
  const other = await openedLedger({ holder: "other", clock, database });
  await one.ledger.start();
  await other.ledger.start();
  let n = 0;
  const writtenBy = async (node: typeof one) => {
    const entry = sampleEntry(n++, "intent");
    await node.write(entry);
    node.ledger.noted(acme);
    return async () => (await node.ledger.receipt(acme, entry.id)).ok;
  };
  const sizes = () => [one.ledger.stats().entries, other.ledger.stats().entries];
  return { clock, one, other, writtenBy, sizes };
}

const tickUntil = (clock: { advance(ms: number): void }, condition: () => Promise<boolean>) =>
  settled(async () => {
    clock.advance(250);
    return condition();
  });

test("one node sequences what all of them write", async () => {
  const { clock, one, other, writtenBy, sizes } = await twoNodes();
  await tickUntil(clock, await writtenBy(one));
  for (let i = 0; i < 5; i++) await tickUntil(clock, await writtenBy(other));
  await tickUntil(clock, await writtenBy(one));
  expect(sizes()).toEqual([7, 0]);
});

test("when that node falls silent, another takes its place, and no tail grows old", async () => {
  const { clock, one, other, writtenBy, sizes } = await twoNodes();
  await tickUntil(clock, await writtenBy(one));
  one.store.crash();
  const isSequenced = await writtenBy(other);
  const since = clock.monotonic();
  await tickUntil(clock, isSequenced);
  expect(sizes()[1]).toBe(1);
  expect(elapsedMs(clock.monotonic(), since)).toBeLessThan(2 * sequencerLeaseMs);
  expect(other.alerts).toEqual([]);
});

test("a node that stops hands it over at once", async () => {
  const { clock, one, other, writtenBy } = await twoNodes();
  await tickUntil(clock, await writtenBy(one));
  await one.ledger.stop();
  const isSequenced = await writtenBy(other);
  const since = clock.monotonic();
  await tickUntil(clock, isSequenced);
  expect(elapsedMs(clock.monotonic(), since)).toBeLessThan(2_000);
});

test("a node that has found nothing for a while leaves it to who writes", async () => {
  const { clock, one, other, writtenBy, sizes } = await twoNodes();
  await tickUntil(clock, await writtenBy(one));
  for (let i = 0; i < 40; i++) await tickUntil(clock, async () => true);
  await tickUntil(clock, await writtenBy(other));
  expect(sizes()).toEqual([1, 1]);
});
