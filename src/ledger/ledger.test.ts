import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemTenant } from "../identity/index.ts";
import { acme, openedLedger, sampleEntry, settled } from "./ledger.fixture.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { entryWrite } from "./leaf.ts";
import { Frontier } from "./merkle.ts";
import { verifyReceipt } from "./receipt.ts";
import type { EntryId } from "./shapes.ts";
import { headTable, sequenceTable, tileTable } from "./tables.ts";

describe("the sequencer", () => {
  it("gives every committed entry a position, in tiles that any proof can be made from", async () => {
    const { ledger, sequenceAll, sequencer, write, store } = await openedLedger();
    const tree = new Frontier();
    const ids: EntryId[] = [];
    let n = 0;
    for (const size of [1, 2, 253, 1, 300, 1500, 7]) {
      for (let i = 0; i < size; i++, n++) {
        const entry = sampleEntry(n, "intent");
        await write(entry);
        ids.push(entry.id);
        tree.append(entryWrite(entry, null).leafHash);
      }
      await sequenceAll();
      const checkpoint = parseCheckpoint((await ledger.checkpoint(acme)) ?? "");
      expect(checkpoint?.size).toBe(n);
      expect(tree.root().equals(checkpoint?.root ?? new Uint8Array())).toBe(true);
    }
    expect(await sequencer().sequence()).toEqual({ count: 0, isDone: true });
    const tiles = await store.list(tileTable, { index: "key", equals: { tenant: acme }, limit: 100 });
    expect(tiles.map(({ level, number, hashes }) => [level, number, hashes.byteLength / 32])).toEqual([
      ...Array.from({ length: 8 }, (_, i) => [0, i, 256]),
      [0, 8, 2064 - 8 * 256],
      [1, 0, 8],
    ]);
    for (const index of [0, 1, 2, 255, 256, 257, 555, 556, 557, 1024, 2056, 2057, 2063]) {
      const receipt = await ledger.receipt(acme, ids[index] as EntryId);
      expect(receipt.ok).toBe(true);
      if (!receipt.ok) continue;
      const proven = verifyReceipt(receipt.value, { verifierKey: ledger.verifierKey(acme) });
      expect(proven).toMatchObject({
        ok: true,
        value: { index, origin: "box-1/acme", entry: { id: ids[index] } },
      });
    }
  });

  it("never forks: of two at once one wins, and together they sequence everything once", async () => {
    const { sequencer, write, store } = await openedLedger();
    const [one, two] = [sequencer(), sequencer()];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 30; i++) await write(sampleEntry(round * 30 + i, "intent"));
      const counts = await Promise.all([one.sequence(), two.sequence()]);
      expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(30);
    }
    const batches = await store.list(sequenceTable, { index: "key", equals: { tenant: acme }, limit: 1000 });
    const ids = batches.flatMap((batch) => batch.ids.split("\n"));
    expect(new Set(ids).size).toBe(600);
    expect(batches.map((batch) => batch.first)).toEqual(batches.map((_, i) => i * 30));
  });

  it("never places an entry before the one it follows, however calls interleave and transactions join", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(5), fc.boolean()), { minLength: 1, maxLength: 60 }),
        async (steps) => {
          const { store, sequencer, sequenceAll } = await openedLedger();
          const begun: number[] = [];
          let n = 0;
          for (const [at, isRound] of steps) {
            const follows = begun.splice(at, 1)[0];
            const intents = [sampleEntry(n, "intent"), sampleEntry(n + 1, "intent")];
            const outcome = follows === undefined ? [] : [sampleEntry(follows, "outcome")];
            begun.push(n, n + 1);
            n += 2;
            // An outcome commits after its intent is durable, alone or beside other entries.
            await store.commit([...intents, ...outcome].map((entry) => entryWrite(entry, null).write));
            if (isRound) await sequencer().sequence();
          }
          await sequenceAll();
          const batches = await store.list(sequenceTable, {
            index: "key",
            equals: { tenant: acme },
            limit: 1000,
          });
          const order = batches.flatMap((batch) => batch.ids.split("\n"));
          for (const id of order.filter((id) => id.endsWith(":1"))) {
            expect(order.indexOf(id.replace(/:1$/, ":0"))).toBeLessThan(order.indexOf(id));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("refuses to extend a log whose tiles do not add up to its checkpoint", async () => {
    const { store, sequencer, sequenceAll, write } = await openedLedger();
    await write(sampleEntry(1, "intent"), sampleEntry(2, "intent"));
    await sequenceAll();
    const tile = { tenant: acme, level: 0, number: 0 };
    const hashes = new Uint8Array(64).fill(1);
    await store.commit([{ op: "update", table: "tile", key: tile, expect: {}, set: { hashes } }]);
    await write(sampleEntry(3, "intent"));
    await expect(sequencer().sequence()).rejects.toThrow("does not prove itself");
    expect((await store.get(headTable, { tenant: acme }))?.size).toBe(2);
  });

  it("gives up on a log whose head is gone instead of writing over it", async () => {
    const { store, sequencer, sequenceAll, write } = await openedLedger();
    await write(sampleEntry(1, "intent"));
    await sequenceAll();
    await store.commit([{ op: "delete", table: "ledger_head", key: { tenant: acme }, expect: {} }]);
    const one = sequencer();
    await expect(
      (async () => {
        for (let turn = 0; turn < 20; turn++) await one.sequence();
      })(),
    ).rejects.toThrow("contradict each other");
    expect(await store.list(sequenceTable, { index: "key", limit: 10 })).toHaveLength(1);
  });

  it("goes on where the last one stopped, after a restart at any size", async () => {
    const { sequencer, write, ledger } = await openedLedger();
    const tree = new Frontier();
    for (let n = 0; n < 300; n++) {
      const entry = sampleEntry(n, "intent");
      tree.append(entryWrite(entry, null).leafHash);
      await write(entry);
      expect((await sequencer().sequence()).count).toBe(1);
    }
    const checkpoint = parseCheckpoint((await ledger.checkpoint(acme)) ?? "");
    expect(tree.root().equals(checkpoint?.root ?? new Uint8Array())).toBe(true);
  });
});

describe("the ledger", () => {
  it("answers receipt-pending until the entry is sequenced, a quarter of a second later", async () => {
    const { ledger, clock, write } = await openedLedger();
    await ledger.start();
    const entry = sampleEntry(1, "intent");
    await write(entry);
    ledger.noted(acme);
    expect(await ledger.receipt(acme, entry.id)).toMatchObject({ refusal: { code: "receipt-pending" } });
    clock.advance(250);
    await settled(async () => (await ledger.receipt(acme, entry.id)).ok);
    const once = await ledger.receipt(acme, entry.id);
    await write(sampleEntry(2, "intent"));
    ledger.noted(acme);
    clock.advance(250);
    await settled(async () => (await ledger.receipt(acme, sampleEntry(2, "intent").id)).ok);
    expect(await ledger.receipt(acme, entry.id)).toEqual(once);
    await ledger.stop();
  });

  it("begins with what it was told before its start", async () => {
    const { ledger, clock, write } = await openedLedger();
    await write(sampleEntry(1, "intent"));
    ledger.noted(acme);
    await ledger.start();
    clock.advance(250);
    await settled(async () => (await ledger.checkpoint(acme)) !== null);
    await ledger.stop();
  });

  it("keeps other tenants' entries looking like missing ones", async () => {
    const { ledger, write } = await openedLedger();
    const entry = sampleEntry(1, "intent");
    await write(entry);
    expect(await ledger.receipt("other" as never, entry.id)).toMatchObject({
      refusal: { code: "not-found" },
    });
    expect(await ledger.entry("other" as never, entry.id)).toBeNull();
    expect(await ledger.entriesOfCall("other" as never, entry.call as never)).toEqual([]);
    expect((await ledger.entry(acme, entry.id))?.entry).toEqual(entry);
  });

  it("finds entries nobody told it about, at start and by its sweep", async () => {
    const { ledger, clock, write } = await openedLedger();
    await write(sampleEntry(1, "act", { tenant: "system" as never }));
    await ledger.start();
    clock.advance(250);
    await settled(async () => (await ledger.checkpoint("system" as never)) !== null);
    await write(sampleEntry(2, "act", { tenant: "system" as never }));
    await settled(async () => {
      clock.advance(250);
      return (await ledger.receipt("system" as never, sampleEntry(2, "act").id)).ok;
    });
    await ledger.stop();
  });

  it("sequences what it knows of when it stops, and stops twice", async () => {
    const { ledger, write } = await openedLedger();
    await ledger.start();
    await write(sampleEntry(1, "intent"));
    ledger.noted(acme);
    await ledger.stop();
    await ledger.stop();
    expect((await ledger.receipt(acme, sampleEntry(1, "intent").id)).ok).toBe(true);
  });

  it("tells of batches that fail and of a tail older than ten seconds, and recovers", async () => {
    const { ledger, clock, write, store } = await openedLedger();
    await write(sampleEntry(1, "intent"));
    await ledger.start();
    ledger.noted(acme);
    clock.advance(250);
    await settled(async () => (await ledger.checkpoint(acme)) !== null);
    const tile = { tenant: acme, level: 0, number: 0 };
    const good = (await store.get(tileTable, tile))?.hashes ?? new Uint8Array();
    await ledger.stop();

    const set = { hashes: new Uint8Array(32) };
    await store.commit([{ op: "update", table: "tile", key: tile, expect: {}, set }]);
    const { ledger: again, alerts } = await openedLedger({ database: store.database, clock });
    await write(sampleEntry(2, "intent"));
    await again.start();
    await settled(() => {
      clock.advance(250);
      return alerts.some((alert) => alert.kind === "tail");
    });
    expect(alerts.filter((alert) => alert.kind === "tail")).toEqual([
      { kind: "tail", tenant: acme, ageMs: expect.any(Number) as number },
    ]);
    expect(alerts.some((alert) => alert.kind === "failed" && alert.fault.code === "internal")).toBe(true);
    expect(again.stats().tailAgeMs).toBeGreaterThan(10_000);
    expect(again.stats().failures).toBeLessThan(10); // it waits longer each time
    await store.commit([{ op: "update", table: "tile", key: tile, expect: {}, set: { hashes: good } }]);
    again.noted(acme);
    await settled(async () => {
      clock.advance(1000);
      return (await again.receipt(acme, sampleEntry(2, "intent").id)).ok;
    });
    await again.stop();
  });

  it("lists newest first, and a call's entries in order of writing", async () => {
    const { ledger, write } = await openedLedger();
    for (let n = 0; n < 5; n++) await write(sampleEntry(n, "intent"));
    await write(sampleEntry(2, "outcome"));
    const page = await ledger.list(acme, { limit: 3 });
    expect(page.map(({ entry }) => entry.id)).toEqual(["call_000002:1", "call_000004:0", "call_000003:0"]);
    const rest = await ledger.list(acme, { before: page.at(-1)?.cursor ?? 0, limit: 10 });
    expect(rest.map(({ entry }) => entry.id)).toEqual(["call_000002:0", "call_000001:0", "call_000000:0"]);
    const call = await ledger.entriesOfCall(acme, "call_000002" as never);
    expect(call.map(({ entry }) => entry.kind)).toEqual(["intent", "outcome"]);
  });

  it("opens a payload until its scope is erased; the receipt still proves the entry", async () => {
    const { ledger, keys, store, writeSealed, sequenceAll } = await openedLedger();
    const entry = sampleEntry(1, "intent");
    await writeSealed(entry, '{"amount":5}');
    await sequenceAll();
    const found = await ledger.entry(acme, entry.id);
    expect(found && (await ledger.payload(found))).toMatchObject({
      erased: false,
      payload: { arguments: '{"amount":5}' },
    });
    expect(await ledger.payloadOf(acme, entry.id)).toEqual(found && (await ledger.payload(found)));
    expect(await ledger.payloadOf(systemTenant, entry.id)).toBeUndefined();
    const change = await keys.eraseScope("day/acme/agent/a/2026-01-01");
    await store.commit(change.writes);
    change.applied();
    expect(found && (await ledger.payload(found))).toEqual({ erased: true });
    expect(await ledger.payloadOf(acme, entry.id)).toEqual({ erased: true });
    await writeSealed(sampleEntry(2, "intent"), "{}"); // the scope is used again
    expect(found && (await ledger.payload(found))).toEqual({ erased: true });
    expect((await ledger.receipt(acme, entry.id)).ok).toBe(true);
  });

  it("refuses data that was begun under another installation id", async () => {
    const { ledger, store, sequenceAll, write } = await openedLedger();
    await write(sampleEntry(1, "intent"));
    await sequenceAll();
    const set = { origin: "box-2/acme" };
    await store.commit([{ op: "update", table: "ledger_head", key: { tenant: acme }, expect: {}, set }]);
    await expect(ledger.start()).rejects.toMatchObject({ code: "config-invalid" });
    expect(() => ledger.origin("a b" as never)).toThrow("cannot be an origin");
  });
});
