import { join } from "node:path";
import type { BackupReport } from "../../backup/index.ts";
import { checkBackup, openFor } from "../../backup/index.ts";
import type { Clock, Random } from "../../base/index.ts";
import { Fault } from "../../base/index.ts";
import { Keys } from "../../keys/index.ts";
import { verifyLedger } from "../../ledger/index.ts";
import type { Store } from "../../store/index.ts";
import { openSqliteFill, openSqliteStore, ownTables } from "../../store/index.ts";
import { keyFileName } from "../data/key-file.ts";
import { allTables } from "../data/all-tables.ts";
import { writeNewPrivateFile } from "../data/private-file.ts";
import { markRecovered } from "../data/recovery.ts";
import { stageDirectory } from "./staged-directory.ts";

export const backupTables = new Map([...ownTables, ...allTables].map((table) => [table.name, table]));

export interface RestoreOrder {
  readonly source: AsyncIterable<Uint8Array>;
  /** The private half of whom the backup is for. */
  readonly secret: Uint8Array;
  /** The key-encryption key of the installation, which is in no backup. */
  readonly nodeKey: Uint8Array;
  /** Must be empty or missing. */
  readonly directory: string;
  /** Whether the node key is put into the directory, for a node whose configuration names no key file. */
  readonly placesKey: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly onRows?: (rows: number) => void;
}

export interface Restored extends BackupReport {
  readonly epoch: number;
}

/**
 * Makes a data directory of a backup: whole, or not at all. The epoch is raised, and what was open waits for a review, which the first node
 * that starts on it begins. Throws `backup-broken`, `store-in-use`, `store-version`, and `config-invalid` for a key that does not fit.
 */
export async function restoreBackup(order: RestoreOrder): Promise<Restored> {
  const { source, secret, directory, nodeKey, placesKey, clock, random, onRows } = order;
  const staged = stageDirectory(directory, random);
  try {
    const report = await fillFrom(source, secret, staged.path, onRows ?? (() => undefined));
    const store = openSqliteStore({ directory: staged.path, tables: allTables, clock });
    await store.start();
    try {
      await proveRestored(store, report, { nodeKey, clock, random });
      const detail = `restored from the backup of ${report.header.at}`;
      const epoch = await markRecovered(store, "restored", detail, { clock, random });
      await store.stop();
      if (placesKey)
        writeNewPrivateFile(join(staged.path, keyFileName), `${Buffer.from(nodeKey).toString("base64")}\n`);
      staged.settle();
      return { ...report, epoch };
    } finally {
      await store.stop();
    }
  } finally {
    staged.abandon();
  }
}

async function fillFrom(
  source: AsyncIterable<Uint8Array>,
  secret: Uint8Array,
  directory: string,
  onRows: (rows: number) => void,
): Promise<BackupReport> {
  const fill = openSqliteFill(directory, allTables);
  try {
    const report = await checkBackup(source, (envelope) => openFor(secret, envelope), backupTables, {
      rows: async (table, rows) => {
        await fill.put(table, rows);
        onRows(rows.length);
      },
    });
    await fill.finish();
    return report;
  } finally {
    await fill.abandon();
  }
}

/** That the node key opens what is sealed here, that whoever signed the backup had that key, and that the whole ledger holds. */
async function proveRestored(
  store: Store,
  { header }: BackupReport,
  given: { readonly nodeKey: Uint8Array; readonly clock: Clock; readonly random: Random },
): Promise<void> {
  const keys = new Keys({ store, random: given.random, clock: given.clock, kek: given.nodeKey });
  await keys.start();
  const isOurs = Buffer.from(keys.publicKey("log").raw).toString("base64") === header.publicKey;
  await keys.stop();
  if (!isOurs)
    throw new Fault("backup-broken", "the backup is signed by another key than the one that is in it");
  const ledger = await verifyLedger(store);
  const broken = ledger.tenants.find((tenant) => tenant.broken !== null);
  if (broken !== undefined)
    throw new Fault(
      "backup-broken",
      `the ledger of tenant ${broken.tenant} does not hold: ${broken.broken?.detail ?? ""}`,
    );
}
