import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { entryWrite, leafHashOf } from "./leaf.ts";
import { acme, openedLedger, sampleEntry } from "./ledger.fixture.ts";
import { openPayload } from "./payload.ts";
import { verifyReceipt } from "./receipt.ts";
import type { EntryId } from "./shapes.ts";
import { headTable, sequenceTable, tileTable } from "./tables.ts";
import { TamperedRead } from "./tampered-read.fixture.ts";
import type { Broken } from "./verify-report.ts";
import { verifyLedger } from "./verify.ts";

type Opened = Awaited<ReturnType<typeof openedLedger>>;

let open: Opened;
let whole: TamperedRead;
let remembered: string;
let verifierKey: string;

/** 60 calls, intents and outcomes interleaved, in batches of uneven size, and a tail of 4 entries. */
beforeAll(async () => {
  open = await openedLedger();
  const { write, writeSealed, sequencer, ledger, store } = open;
  for (let n = 0; n < 60; n++) {
    if (n % 5 === 0) await writeSealed(sampleEntry(n, "intent"), `{"n":${n}}`);
    else await write(sampleEntry(n, "intent"));
    if (n > 0) await write(sampleEntry(n - 1, "outcome"));
    if (n % 7 === 3 || n === 5) await sequencer().sequence();
    if (n === 40) remembered = (await ledger.checkpoint(acme)) ?? "";
  }
  for (let n = 60; n < 64; n++) await write(sampleEntry(n, "intent"));
  verifierKey = ledger.verifierKey(acme);
  whole = await TamperedRead.of(store, acme);
});

const brokenIn = async (read: TamperedRead, options: object = {}): Promise<Broken | null> => {
  const report = await verifyLedger(read, { verifierKey, tenants: [acme], ...options });
  return report.tenants.find(({ tenant }) => tenant === acme)?.broken ?? null;
};

/** Position in the log as it was written. */
const at = (read: TamperedRead, position: number) => {
  const row = read.entries[position];
  if (row === undefined) throw new Error(`no entry ${position}`);
  return row;
};

const changed = (read: TamperedRead, position: number, set: object) => {
  read.entries[position] = { ...at(read, position), ...set };
};

/** The same leaf with another policy version, hash and all. */
const forgedLeaf = (leaf: string) => {
  const forged = leaf.replace('"policy":"1"', '"policy":"2"');
  expect(forged).not.toBe(leaf);
  return { leaf: forged, leafHash: leafHashOf(forged) };
};

describe("verifying a ledger", () => {
  it("proves every sequenced entry, counts payloads, and reports the tail apart", async () => {
    const report = await verifyLedger(whole, { verifierKey, remembered: [remembered] });
    expect(report).toMatchObject({ isIntact: true, trust: "given" });
    expect(report.tenants).toMatchObject([
      {
        tenant: acme,
        origin: "box-1/acme",
        verifierKey,
        proven: 119,
        checkpoints: 10,
        payloads: { opened: 0, erased: 0, unopened: 12 },
        tail: { entries: 4 },
        broken: null,
      },
    ]);
  });

  it("without a given key says that it trusted the store's", async () => {
    expect(await verifyLedger(whole)).toMatchObject({ isIntact: true, trust: "store" });
    const robbed = whole.copy();
    robbed.keyed.set("key_signing", []);
    await expect(verifyLedger(robbed)).rejects.toMatchObject({ code: "config-invalid" });
  });

  it("opens payloads when keys are at hand, holds them against their commitments, and says what was erased", async () => {
    const openPayloadHere = (id: EntryId, sealed: { bytes: Uint8Array; scope: string }) =>
      openPayload(open.keys, id, sealed);
    const report = await verifyLedger(whole, { verifierKey, openPayload: openPayloadHere });
    expect(report.tenants[0]?.payloads).toEqual({ opened: 12, erased: 0, unopened: 0 });
    const moved = whole.copy();
    changed(moved, 9, { payload: at(whole, 0).payload });
    expect(at(moved, 9).payloadScope).not.toBeNull();
    expect(await brokenIn(moved, { openPayload: openPayloadHere })).toMatchObject({
      kind: "payload",
      entry: at(whole, 9).id,
      position: 9,
    });
  });

  it("names an entry whose payload was taken away, with keys and without", async () => {
    const robbed = whole.copy();
    changed(robbed, 9, { payload: null, payloadScope: null });
    expect(await brokenIn(robbed)).toMatchObject({ kind: "payload", entry: at(whole, 9).id, position: 9 });
  });

  it("misses a log whose entries and head are gone, as long as one of its batches is there", async () => {
    const emptied = whole.copy();
    emptied.entries = [];
    for (const table of [headTable, tileTable]) {
      emptied.keyed.set(
        table.name,
        emptied.rows(table).filter(({ tenant }) => tenant !== acme),
      );
    }
    const report = await verifyLedger(emptied, { verifierKey, tenants: [acme] });
    expect(report).toMatchObject({ isIntact: false, tenants: [{ tenant: acme }] });
    expect(report.tenants[0]?.broken).toMatchObject({ kind: "truncated", position: 0 });
  });

  it("names an edited entry, however much beside it was made to fit", async () => {
    const leafOnly = whole.copy();
    changed(leafOnly, 20, { leaf: forgedLeaf(at(whole, 20).leaf).leaf });
    const leafAndHash = whole.copy();
    changed(leafAndHash, 20, forgedLeaf(at(whole, 20).leaf));
    const tilesToo = leafAndHash.copy();
    const tile = tilesToo.rows(tileTable)[0];
    const hashes = Uint8Array.from(tile?.hashes as Uint8Array);
    hashes.set(at(leafAndHash, 20).leafHash, 20 * 32);
    tilesToo.keyed.set("tile", [{ ...tile, hashes }]);
    for (const read of [leafOnly, leafAndHash]) {
      expect(await brokenIn(read)).toMatchObject({ kind: "edited", entry: at(whole, 20).id, position: 20 });
    }
    // With every hash replaced nothing tells which entry of the batch it was; that it was one is certain.
    expect(await brokenIn(tilesToo)).toMatchObject({ kind: "edited", entry: null });
  });

  it.each(["id", "at", "kind", "call", "leafHash"])(
    "names an entry whose column %s was edited",
    async (column) => {
      const read = whole.copy();
      const value = { id: "call_x:0", at: 1, kind: "act", call: "call_x", leafHash: Buffer.alloc(32) }[
        column
      ];
      changed(read, 33, { [column]: value });
      const broken = await brokenIn(read);
      expect(broken).toMatchObject({ kind: "edited", position: 33 });
    },
  );

  it("names a dropped entry, first, middle and last of a batch", async () => {
    for (const position of [0, 6, 7, 8, 50, 77]) {
      const read = whole.copy();
      read.entries.splice(position, 1);
      expect(await brokenIn(read)).toMatchObject({
        kind: "dropped",
        entry: at(whole, position).id,
        position,
      });
    }
  });

  it("names a reordered entry, within a batch and across batches", async () => {
    for (const [a, b] of [
      [20, 21],
      [20, 25],
      [20, 40],
      [5, 70],
    ] as const) {
      const read = whole.copy();
      changed(read, a, { cursor: at(whole, b).cursor });
      changed(read, b, { cursor: at(whole, a).cursor });
      const broken = await brokenIn(read);
      expect(broken).toMatchObject({ kind: "reordered", position: a });
      expect([at(whole, a).id, at(whole, b).id]).toContain(broken?.entry);
    }
  });

  it("names an entry that was put among sequenced ones", async () => {
    const { write } = entryWriteOf(999);
    for (const position of [0, 30, 110]) {
      const read = whole.copy();
      read.entries.push({ ...write, cursor: at(whole, position).cursor - 0.5 });
      expect(await brokenIn(read)).toMatchObject({ kind: "inserted", entry: "call_000999:0", position });
    }
  });

  it("says that the log was cut when it ends before its checkpoint", async () => {
    const read = whole.copy();
    read.entries.splice(100);
    expect(await brokenIn(read)).toMatchObject({
      kind: "truncated",
      position: 100,
      entry: at(whole, 100).id,
    });
    const batchToo = whole.copy();
    batchToo.entries.splice(100);
    batchToo.rows(sequenceTable).pop();
    expect(await brokenIn(batchToo)).toMatchObject({ kind: "truncated", position: 100 });
  });

  it("finds a log rolled back to an earlier state of its own only by a remembered checkpoint", async () => {
    const read = whole.copy();
    const batches = read.rows(sequenceTable).filter((batch) => (batch.first as number) < 30);
    const last = batches.at(-1);
    const size = (last?.first as number) + (last?.count as number);
    read.keyed.set("sequence", batches);
    read.entries.splice(size);
    const head = { size, cursor: last?.toCursor ?? 0, checkpoint: last?.checkpoint ?? "" };
    read.keyed.set("ledger_head", [{ ...read.rows(headTable)[0], ...head }]);
    expect(await brokenIn(read)).toBeNull(); // the documented limit
    expect(await brokenIn(read, { remembered: [remembered] })).toMatchObject({
      kind: "truncated",
      position: size,
    });
    const gone = new TamperedRead();
    for (const name of whole.keyed.keys()) gone.keyed.set(name, []);
    expect(await brokenIn(gone, { remembered: [remembered] })).toMatchObject({ kind: "truncated" });
  });

  it("finds a history that was rewritten and signed anew, by the key or by a remembered checkpoint", async () => {
    const other = await openedLedger();
    for (let n = 0; n < 60; n++) await other.write(sampleEntry(n, "intent", { subject: "srv_1/other" }));
    for (let n = 0; n < 60; n++) await other.write(sampleEntry(n, "outcome"));
    await other.sequenceAll();
    const forged = await TamperedRead.of(other.store, acme);
    // The same key: an insider with the store and the KEK.
    expect(await brokenIn(forged)).toBeNull();
    expect(await brokenIn(forged, { remembered: [remembered] })).toMatchObject({ kind: "rewritten" });
    const [installation] = verifierKey.split("+");
    const foreign = `${installation}+${"0".repeat(8)}+AQ==`;
    await expect(verifyLedger(forged, { verifierKey: foreign })).rejects.toMatchObject({
      code: "config-invalid",
    });
  });

  it("names a checkpoint that another key signed, or another size and root", async () => {
    const read = whole.copy();
    const batch = read.rows(sequenceTable)[3];
    read.rows(sequenceTable)[3] = {
      ...batch,
      checkpoint: String(batch?.checkpoint).replace(/\n(\d+)\n/, "\n9$1\n"),
    };
    expect(await brokenIn(read)).toMatchObject({ kind: "signature", position: batch?.first });
  });

  it("names damage to tiles and to the records beside the entries", async () => {
    const tile = whole.copy();
    const row = tile.rows(tileTable)[0];
    const hashes = Uint8Array.from(row?.hashes as Uint8Array);
    hashes[40 * 32] = (hashes[40 * 32] ?? 0) ^ 1;
    tile.keyed.set("tile", [{ ...row, hashes }]);
    expect(await brokenIn(tile)).toMatchObject({ kind: "tile", position: 40 });

    const gap = whole.copy();
    gap.rows(sequenceTable).splice(4, 1);
    expect(await brokenIn(gap)).toMatchObject({
      kind: "records",
      position: whole.rows(sequenceTable)[4]?.first,
    });

    const headless = whole.copy();
    headless.keyed.set("ledger_head", []);
    expect(await brokenIn(headless)).toMatchObject({ kind: "records" });
  });

  it("names an entry that follows one which is not before it", async () => {
    const other = await openedLedger();
    await other.write(sampleEntry(1, "outcome"), sampleEntry(1, "intent"));
    await other.sequenceAll();
    const read = await TamperedRead.of(other.store, acme);
    expect(await brokenIn(read)).toMatchObject({ kind: "order", entry: "call_000001:1", position: 0 });
  });

  it("notices any single change to entries and batches, wherever it is", async () => {
    const size = 119;
    const kinds = [
      "leaf",
      "leafHash",
      "id",
      "call",
      "kind",
      "at",
      "drop",
      "swap",
      "insert",
      "checkpoint",
      "ids",
      "cut",
    ] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.nat(size - 1),
        fc.nat(size - 1),
        fc.nat(),
        async (kind, a, b, c) => {
          const read = whole.copy();
          const row = at(read, a);
          const batches = read.rows(sequenceTable);
          const batch = batches[c % batches.length];
          switch (kind) {
            case "leaf": {
              const i = c % row.leaf.length;
              const letter = row.leaf[i] === "x" ? "y" : "x";
              changed(read, a, { leaf: row.leaf.slice(0, i) + letter + row.leaf.slice(i + 1) });
              break;
            }
            case "leafHash": {
              const leafHash = Uint8Array.from(row.leafHash);
              leafHash[c % 32] = (leafHash[c % 32] ?? 0) ^ 1;
              changed(read, a, { leafHash });
              break;
            }
            case "id":
            case "call":
            case "kind":
              changed(read, a, { [kind]: `${row[kind] ?? ""}x` });
              break;
            case "at":
              changed(read, a, { at: row.at + 1 + c });
              break;
            case "drop":
              read.entries.splice(a, 1);
              break;
            case "swap":
              if (a === b) return;
              changed(read, a, { cursor: at(whole, b).cursor });
              changed(read, b, { cursor: at(whole, a).cursor });
              break;
            case "insert":
              read.entries.push({ ...entryWriteOf(1000 + c).write, cursor: row.cursor - 0.5 });
              break;
            case "checkpoint": {
              const note = batch?.checkpoint as string;
              const i = c % note.length;
              const letter = note[i] === "B" ? "C" : "B";
              batches[c % batches.length] = {
                ...batch,
                checkpoint: note.slice(0, i) + letter + note.slice(i + 1),
              };
              break;
            }
            case "ids":
              batches[c % batches.length] = { ...batch, ids: `${batch?.ids as string}x` };
              break;
            case "cut":
              read.entries.splice(a);
              break;
          }
          const broken = await brokenIn(read);
          expect(broken).not.toBeNull();
          const first = kind === "swap" ? Math.min(a, b) : a;
          if (!["checkpoint", "ids"].includes(kind)) expect(broken?.position).toBe(first);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a receipt alone", () => {
  it("proves its entry, and nothing else, under the right key", async () => {
    const { ledger } = open;
    for (const position of [0, 7, 64, 114]) {
      const receipt = await ledger.receipt(acme, at(whole, position).id as EntryId);
      if (!receipt.ok) throw new Error("no receipt");
      const text = receipt.value;
      expect(verifyReceipt(text, { verifierKey })).toMatchObject({ ok: true, value: { index: position } });
      expect(verifyReceipt(text, { verifierKey, leaf: at(whole, position).leaf })).toMatchObject({
        ok: true,
      });
      expect(verifyReceipt(text, { verifierKey, leaf: at(whole, 3).leaf })).toMatchObject({
        ok: false,
        refusal: { problem: "leaf" },
      });
      const bare = text.replace(/^extra .*\n/m, "");
      expect(verifyReceipt(bare, { verifierKey })).toMatchObject({ ok: false, refusal: { problem: "leaf" } });
      expect(verifyReceipt(bare, { verifierKey, leaf: at(whole, position).leaf })).toMatchObject({
        ok: true,
      });
      expect(verifyReceipt(bare, { verifierKey, leaf: at(whole, 3).leaf })).toMatchObject({
        ok: false,
        refusal: { problem: "inclusion" },
      });
      const other = ledger.verifierKey("other" as never);
      expect(verifyReceipt(text, { verifierKey: other })).toMatchObject({
        ok: false,
        refusal: { problem: "signature" },
      });
    }
    expect(verifyReceipt("nonsense", { verifierKey })).toMatchObject({ refusal: { problem: "malformed" } });
    expect(verifyReceipt("nonsense", { verifierKey: "nonsense" })).toMatchObject({
      refusal: { problem: "key" },
    });
  });

  it("does not survive a change of any character", async () => {
    const receipt = await open.ledger.receipt(acme, at(whole, 64).id as EntryId);
    if (!receipt.ok) throw new Error("no receipt");
    const text = receipt.value;
    for (let i = 0; i < text.length; i++) {
      const letter = text[i] === "A" ? "B" : "A";
      const forged = text.slice(0, i) + letter + text.slice(i + 1);
      expect(verifyReceipt(forged, { verifierKey }).ok, `character ${i}`).toBe(false);
    }
  });
});

function entryWriteOf(n: number) {
  const { write } = entryWrite(sampleEntry(n, "intent"), null);
  if (write.op !== "append") throw new Error("an entry is appended");
  // The row of the entry table, as `entryWrite` made it.
  return { write: write.row as unknown as (typeof whole)["entries"][number] };
}
