import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReceiptReference } from "../../contract/index.ts";
import { metaKeys } from "../../contract/index.ts";
import { verifyReceipt } from "../../src/ledger/index.ts";
import { openReadOnlySqlite } from "../../src/store/index.ts";
import { verifyLedger } from "../../src/ledger/index.ts";
import { allTables } from "../../src/app/data/all-tables.ts";
import { presentVersion } from "../fixtures/next-tables.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** What its callers were told by the code of that version. */
interface Written {
  readonly key: string;
  readonly checkpoint: string;
  readonly proof: string;
  readonly receipts: readonly (ReceiptReference & { step: string; to: string; text: string })[];
}

const versions = readdirSync(import.meta.dirname)
  .filter((name) => name.startsWith("data-"))
  .map((name) => Number(name.slice("data-".length)))
  .toSorted((a, b) => a - b);
const directories: string[] = [];
let bank: CountingServer;
beforeAll(async () => (bank = await new CountingServer().start()));
afterAll(async () => {
  await bank.stop();
  for (const directory of directories) removeDirectory(directory);
});

function unpackedData(version: number): { readonly directory: string; readonly written: Written } {
  const from = join(import.meta.dirname, `data-${version}`);
  const directory = newDirectory();
  directories.push(directory);
  const data = join(directory, "data");
  mkdirSync(data);
  writeFileSync(join(data, "signalbox.db"), gunzipSync(readFileSync(join(from, "signalbox.db.gz"))));
  writeFileSync(join(data, "node.key"), readFileSync(join(from, "node.key")), { mode: 0o600 });
  return { directory, written: JSON.parse(readFileSync(join(from, "written.json"), "utf8")) as Written };
}

const order = (directory: string) => ({
  directory,
  yaml: `servers: { bank: { url: "${bank.url}", tools: { look: { class: read } } } }\n`,
});
const pay = (node: NodeProcess, step: string, to: string) =>
  node.call("bank__pay", { to, amount: 1 }, { meta: { [metaKeys.run]: "payroll", [metaKeys.step]: step } });

function storedVersion(directory: string): number {
  const database = new Database(join(directory, "data", "signalbox.db"), { readonly: true });
  try {
    const meta = database.prepare<[], { value: number }>(
      "SELECT value FROM store_meta WHERE name = 'dataVersion'",
    );
    return meta.get()?.value ?? 0;
  } finally {
    database.close();
  }
}

test("data of every version up to the present one is kept here", () => {
  expect(versions).toEqual(Array.from({ length: presentVersion }, (_, i) => i + 1));
});

describe.each(versions)("data of version %i", (version) => {
  test("is proven as it lies, without being opened for writing", async () => {
    const { directory, written } = unpackedData(version);
    expect(storedVersion(directory)).toBe(version);
    const store = openReadOnlySqlite(join(directory, "data"), allTables);
    const report = await verifyLedger(store, { verifierKey: written.key, remembered: [written.checkpoint] });
    store.close();
    expect(report).toMatchObject({ isIntact: true, trust: "given" });
    expect(storedVersion(directory)).toBe(version);
  });

  test("opens: what was done stays done, what nobody knew stays unknown, and it goes on", async () => {
    const { directory, written } = unpackedData(version);
    const node = await NodeProcess.start(order(directory));
    await node.toolsAre(["bank__pay", "bank__look"]);
    const before = bank.received.length;
    for (const { step, to, text } of written.receipts)
      expect(await pay(node, step, to)).toMatchObject({ isError: false, code: null, text });
    expect(await pay(node, "lost", "lost")).toMatchObject({ code: "outcome-unknown" });
    expect(bank.received.length).toBe(before);
    const fresh = await pay(node, "after-upgrade", "fresh");
    expect(fresh).toMatchObject({ isError: false, code: null });
    expect(bank.received.length).toBe(before + 1);
    expect(verifyReceipt(written.proof, { verifierKey: written.key })).toMatchObject({ ok: true });
    const again = await node.page(`/api/v1/receipts/${encodeURIComponent(written.receipts[0]?.entry ?? "")}`);
    expect(again.text).toBe(written.proof);
    await node.stop();
    expect(storedVersion(directory)).toBe(presentVersion);
    await provenLedger(directory, [...written.receipts, fresh.receipt]);
    const store = openReadOnlySqlite(join(directory, "data"), allTables);
    const report = await verifyLedger(store, { verifierKey: written.key, remembered: [written.checkpoint] });
    store.close();
    expect(report.isIntact).toBe(true);
  });
});
