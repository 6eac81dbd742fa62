import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../base/index.ts";
import { elapsedMs, explain } from "../../base/index.ts";
import { verifyLedger } from "../../ledger/index.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, notChecked, odd } from "./finding.ts";
import type { Config } from "../config/config.ts";
import { allTables } from "../data/all-tables.ts";
import { openReadStore } from "../data/open-store.ts";

/** Beyond this, proving everything takes longer than a look should. */
const provenBytesMax = 256 * 1024 * 1024;
/** An older tail means that the sequencer stands still. */
const tailAgeMaxMs = 10_000;

/** Proves the ledger, and says how old the oldest entry without a receipt is. */
export async function checkLedger(data: Config["data"], clock: Clock): Promise<Finding> {
  const id = "ledger";
  const { directory, postgres } = data;
  if (postgres !== undefined) return notChecked(id, "in the database: `signalbox audit verify` proves it");
  const file = join(directory, "signalbox.db");
  if (!existsSync(file)) return notChecked(id, `no node has run on ${directory} yet`);
  if (statSync(file).size > provenBytesMax) {
    return notChecked(id, "too large for a quick look: `signalbox audit verify` proves it");
  }
  try {
    const store = await openReadStore(data, allTables);
    try {
      const report = await verifyLedger(store);
      const broken = report.tenants.find((tenant) => tenant.broken !== null);
      if (broken !== undefined) {
        const what = `the ledger of tenant ${broken.tenant} is broken: ${broken.broken?.detail ?? ""}`;
        return failed(
          id,
          what,
          "`signalbox audit verify` says where. Keep a copy of the directory before anything else.",
        );
      }
      const proven = report.tenants.reduce((sum, tenant) => sum + tenant.proven, 0);
      const waiting = report.tenants.reduce((sum, tenant) => sum + tenant.tail.entries, 0);
      const oldestMs = Math.max(
        0,
        ...report.tenants.map(({ tail }) =>
          tail.oldestAt === null ? 0 : elapsedMs(clock.wall(), tail.oldestAt),
        ),
      );
      const what = `${proven} entries proven, ${waiting} not yet sequenced`;
      return oldestMs > tailAgeMaxMs
        ? odd(
            id,
            `${what}, the oldest for ${Math.round(oldestMs / 1000)} s`,
            "A running node sequences within a second: start it, or look at its log.",
          )
        : fine(id, what);
    } finally {
      store.close();
    }
  } catch (thrown) {
    return failed(
      id,
      `the ledger cannot be read: ${explain(thrown)}`,
      "Use the version of Signalbox that wrote it.",
    );
  }
}
