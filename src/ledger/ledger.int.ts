import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock, systemRandom } from "../base/index.ts";
import { Keys } from "../keys/index.ts";
import { openReadOnlySqlite, openSqliteStore } from "../store/sqlite/index.ts";
import { acme, sampleEntry, tables } from "./ledger.fixture.ts";
import { entryWrite } from "./leaf.ts";
import { Ledger } from "./ledger.ts";
import { verifyReceipt } from "./receipt.ts";
import { verifyLedger } from "./verify.ts";

const scratch = mkdtempSync(join(tmpdir(), "signalbox-ledger-"));
const original = join(scratch, "original");
const entries = 3000;
let verifierKey: string;
let remembered: string;

async function openNode(directory: string) {
  const store = openSqliteStore({ directory, tables, clock: systemClock });
  await store.start();
  const kek = new Uint8Array(32).fill(9);
  const keys = new Keys({ store, random: systemRandom, clock: systemClock, kek });
  await keys.start();
  const ledger = new Ledger({ store, keys, clock: systemClock, installationId: "box-1" });
  await ledger.start();
  const stop = async () => {
    await ledger.stop();
    await keys.stop();
    await store.stop();
  };
  return { store, ledger, stop };
}

beforeAll(async () => {
  const { store, ledger, stop } = await openNode(original);
  for (let n = 0; n < entries / 2; n += 50) {
    const calls = Array.from({ length: 50 }, (_, i) => n + i);
    await Promise.all(
      calls.map(async (call) => {
        await store.commit([entryWrite(sampleEntry(call, "intent"), null).write]);
        await store.commit([entryWrite(sampleEntry(call, "outcome"), null).write]);
        ledger.noted(acme);
      }),
    );
    if (n === 700) {
      await vi.waitFor(async () => expect(await ledger.checkpoint(acme)).not.toBeNull(), { timeout: 60_000 });
    }
  }
  await stop();
  const again = await openNode(original); // a restart goes on with the same log and keys
  await again.store.commit([entryWrite(sampleEntry(999_999, "act"), null).write]);
  again.ledger.noted(acme);
  const last = sampleEntry(999_999, "act").id;
  await vi.waitFor(async () => expect((await again.ledger.receipt(acme, last)).ok).toBe(true), {
    timeout: 60_000,
  });
  const receipt = await again.ledger.receipt(acme, last);
  verifierKey = again.ledger.verifierKey(acme);
  expect(receipt.ok && verifyReceipt(receipt.value, { verifierKey })).toMatchObject({
    ok: true,
    value: { index: entries },
  });
  remembered = (await again.ledger.checkpoint(acme)) ?? "";
  await again.stop();
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What somebody with the disk in hand can do. */
async function afterSql(name: string, sql: string) {
  const directory = join(scratch, name);
  cpSync(original, directory, { recursive: true });
  const database = new Database(join(directory, "signalbox.db"));
  database.exec(sql);
  database.close();
  const read = openReadOnlySqlite(directory, tables);
  try {
    const report = await verifyLedger(read, { verifierKey, remembered: [remembered] });
    return report.tenants.find(({ tenant }) => tenant === acme);
  } finally {
    read.close();
  }
}

/** Two entries change places. */
const swap = `
  CREATE TEMP TABLE place AS SELECT id, cursor FROM entry WHERE id IN ('call_000700:0', 'call_000701:1');
  UPDATE entry SET cursor = -cursor WHERE id IN (SELECT id FROM place);
  UPDATE entry SET cursor = (SELECT cursor FROM place WHERE place.id <> entry.id) WHERE cursor < 0`;

describe("a data directory", () => {
  it("verifies offline as it is", async () => {
    expect(await afterSql("same", "SELECT 1")).toMatchObject({
      proven: entries + 1,
      tail: { entries: 0 },
      broken: null,
    });
  });

  it.each([
    ["edited", `UPDATE entry SET leaf = replace(leaf, 'allow', 'deny!') WHERE id = 'call_000700:1'`],
    ["dropped", `DELETE FROM entry WHERE id = 'call_000700:0'`],
    ["reordered", swap],
    ["truncated", `DELETE FROM entry WHERE cursor > (SELECT max(cursor) - 10 FROM entry)`],
  ])("in which an entry was %s is found out", async (kind, sql) => {
    expect((await afterSql(kind, sql))?.broken).toMatchObject({ kind });
  });

  it("whose newest batch was removed with its entries is found out by a remembered checkpoint", async () => {
    const sql = `
      DELETE FROM entry WHERE cursor > (SELECT max(fromCursor) FROM sequence);
      DELETE FROM sequence WHERE first = (SELECT max(first) FROM sequence);
      UPDATE ledger_head SET (size, cursor, checkpoint) =
        (SELECT first + count, toCursor, checkpoint FROM sequence ORDER BY first DESC LIMIT 1)`;
    expect((await afterSql("rolled back", sql))?.broken).toMatchObject({ kind: "truncated" });
  });
});
