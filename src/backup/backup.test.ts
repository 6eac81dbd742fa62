import { beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../base/index.ts";
import { acme, openedLedger, sampleEntry, tables } from "../ledger/ledger.fixture.ts";
import { newestCheckpoints, verifyLedger } from "../ledger/index.ts";
import type { Row, Table } from "../store/index.ts";
import { MemoryDatabase, openMemoryFill, openMemoryStore, ownTables } from "../store/index.ts";
import { ChunkWriter, chunkBytes, openChunks } from "./chunk.ts";
import {
  checkBackup,
  newBackupSecret,
  openFor,
  recipientOf,
  recipientOfSecret,
  sealFor,
  secretOf,
  writeBackup,
} from "./index.ts";

const random = seededRandom("backup");
const secret = secretOf(newBackupSecret(random));
const recipient = recipientOf(recipientOfSecret(secret));
const all = [...ownTables, ...tables];
const byName = new Map<string, Table>(all.map((table) => [table.name, table]));
const entries = 1_500;
const headerChunk = 600;

type World = Awaited<ReturnType<typeof openedLedger>>;
let world: World;
let file: Buffer;
beforeAll(async () => {
  world = await openedLedger();
  for (let n = 0; n < entries; n++) await world.writeSealed(sampleEntry(n, "act"), "x".repeat(headerChunk));
  await world.sequenceAll();
  await world.writeSealed(sampleEntry(entries, "act"), "not sequenced yet");
  file = await backupOf(world);
});

async function backupOf({ store, keys, ledger }: World): Promise<Buffer> {
  const snapshot = await store.snapshot();
  const header = {
    format: 1,
    installation: "box-1",
    code: "0.0.0",
    dataVersion: 2,
    at: "2026-11-28T00:00:00Z",
    checkpoints: Object.fromEntries(await newestCheckpoints(snapshot)),
    publicKey: Buffer.from(keys.publicKey("log").raw).toString("base64"),
  } as const;
  expect(ledger.origin(acme)).toContain("box-1");
  const source = { snapshot, tables: all, header, sign: (bytes: Uint8Array) => keys.sign("log", bytes) };
  const pieces: Buffer[] = [];
  for await (const piece of writeBackup(source, sealFor(recipient, random))) pieces.push(piece);
  snapshot.close();
  return Buffer.concat(pieces);
}

/** In pieces of a size that fits nothing. */
async function* inPieces(bytes: Buffer, size = 70_001): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const check = (bytes: Buffer, key = secret) =>
  checkBackup(inPieces(bytes), (envelope) => openFor(key, envelope), byName);
const problem = async (bytes: Buffer, key = secret): Promise<string> => {
  try {
    await check(bytes, key);
    return "whole";
  } catch (thrown) {
    return `${(thrown as { code: string }).code}: ${(thrown as Error).message}`;
  }
};

/** Where each chunk begins, and where the file ends. */
function chunksOf(bytes: Buffer): number[] {
  let at = bytes.indexOf(10, bytes.indexOf(10) + 1) + 1;
  const starts: number[] = [];
  for (; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) starts.push(at);
  return [...starts, at];
}

describe("a backup", () => {
  test("read back is whole: every row, and the entries that its checkpoints cover", async () => {
    const report = await check(file);
    expect(report).toMatchObject({ proven: entries, unsequenced: 1, bytes: file.length });
    expect(report.rows["entry"]).toBe(entries + 1);
    expect(chunksOf(file).length).toBeGreaterThan(4);
  });

  test("put into an empty store makes one whose ledger verifies, and whose receipts are the same bytes", async () => {
    const database = new MemoryDatabase(tables);
    const fill = openMemoryFill(database);
    const rows = (table: Table, page: readonly Row[]) => fill.put(table, page);
    await checkBackup(inPieces(file, 999_983), (envelope) => openFor(secret, envelope), byName, { rows });
    await fill.finish();
    const restored = openMemoryStore({ tables, clock: world.clock, database });
    await restored.start();
    expect(await verifyLedger(restored, { verifierKey: world.ledger.verifierKey(acme) })).toMatchObject({
      isIntact: true,
      tenants: [{ proven: entries, tail: { entries: 1 } }],
    });
    const again = await openedLedger({ database, clock: world.clock });
    const id = sampleEntry(700, "act").id;
    expect(await again.ledger.receipt(acme, id)).toEqual(await world.ledger.receipt(acme, id));
  });

  test("holds nothing that can be read without its key", () => {
    for (const word of ["acme", "admin.server.add", "key_scope", "installation"])
      expect(file.includes(word), word).toBe(false);
  });

  test("is not opened by another key", async () => {
    const other = secretOf(newBackupSecret(random));
    expect(await problem(file, other)).toMatch(/^config-invalid: the backup is for sbx-backup:/);
  });

  test("cut off anywhere is refused, also between two chunks and without its last", async () => {
    const ends = chunksOf(file);
    const cuts = [
      0,
      5,
      30,
      ...ends.slice(0, -1),
      ...ends.slice(0, -1).map((at) => at + 100),
      file.length - 1,
    ];
    for (const at of cuts) expect(await problem(file.subarray(0, at)), String(at)).toMatch(/^backup-broken/);
  });

  test("with one bit changed is refused, wherever it is", async () => {
    for (let at = 0; at < file.length; at += Math.floor(file.length / 60)) {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await problem(changed), String(at)).not.toBe("whole");
    }
  });

  test("whose chunks changed places, or come from another file for the same key, is refused", async () => {
    const at = chunksOf(file);
    const part = (bytes: Buffer, starts: number[], n: number) => bytes.subarray(starts[n], starts[n + 1]);
    const swapped = [file.subarray(0, at[0]), part(file, at, 1), part(file, at, 0), file.subarray(at[2])];
    expect(await problem(Buffer.concat(swapped))).toMatch(/^backup-broken.*chunk 0/);
    const twice = [file.subarray(0, at[2]), part(file, at, 1), file.subarray(at[2])];
    expect(await problem(Buffer.concat(twice))).toMatch(/^backup-broken.*chunk 2/);
    const other = await backupOf(world);
    const mixed = [file.subarray(0, at[1]), part(other, chunksOf(other), 1), file.subarray(at[2])];
    expect(await problem(Buffer.concat(mixed))).toMatch(/^backup-broken.*chunk 1/);
    expect(await problem(Buffer.concat([file, Buffer.of(0)]))).toMatch(/^backup-broken.*follows/);
  });

  test("that somebody without the installation's key has made is refused", async () => {
    const forged = await openedLedger();
    const mine = new Uint8Array(64);
    await forged.write(sampleEntry(1, "act"));
    await forged.sequenceAll();
    const bytes = await backupOf({
      ...forged,
      keys: Object.assign(Object.create(forged.keys), { sign: () => mine }),
    });
    expect(await problem(bytes)).toMatch(/^backup-broken.*not signed/);
  });

  test("in which somebody who may read it has changed a row, and sealed it again, is refused", async () => {
    const pieces: Buffer[] = [];
    for await (const piece of openChunks(inPieces(file), (envelope) => openFor(secret, envelope)))
      pieces.push(piece);
    const text = Buffer.concat(pieces).toString("utf8");
    const changed = text.replace('{"table":"key_signing"', '{ "table":"key_signing"');
    expect(changed).not.toBe(text);
    const reseal = (content: string): Buffer => {
      const { key, envelope } = sealFor(recipient, random);
      const chunks = new ChunkWriter(key, envelope);
      return Buffer.concat([chunks.begin(), ...chunks.write(Buffer.from(content)), chunks.end()]);
    };
    expect(await problem(reseal(text))).toBe("whole");
    expect(await problem(reseal(changed))).toMatch(/^backup-broken.*not what its last line says/);
  });

  test("of a log that is not what its checkpoints say is refused, although every chunk opens", async () => {
    const honest = await openedLedger();
    await honest.write(sampleEntry(1, "act"), sampleEntry(2, "act"));
    await honest.sequenceAll();
    const snapshot = await honest.store.snapshot();
    const lying = {
      ...honest,
      store: Object.assign(Object.create(honest.store), {
        snapshot: async () => ({
          ...snapshot,
          scanLog: async (...given: Parameters<typeof snapshot.scanLog>) =>
            (await snapshot.scanLog(...given)).filter((row) => row["id"] !== sampleEntry(2, "act").id),
        }),
      }),
    };
    expect(await problem(await backupOf(lying))).toMatch(/^backup-broken.*covers 2 entries; here are 1/);
  });

  test("is made in bounded memory: no piece is larger than a chunk", () => {
    const at = chunksOf(file);
    for (const [n, start] of at.slice(0, -1).entries())
      expect((at[n + 1] ?? 0) - start).toBeLessThanOrEqual(4 + chunkBytes + 16);
  });
});
