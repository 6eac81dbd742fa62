import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../base/index.ts";
import { elapsedMs, explain } from "../../base/index.ts";
import { witnessCovers } from "../../ledger/index.ts";
import type { Config } from "../config/config.ts";
import type { WitnessSettings } from "../config/ledger.ts";
import { witnessKeyOf } from "../config/ledger.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, notChecked, odd } from "./finding.ts";
import { allTables } from "../data/all-tables.ts";
import { openReadStore } from "../data/open-store.ts";

/** A running node asks every five seconds. */
const coveredWithinMs = 60_000;

/** How far a witness has co-signed the logs, from what is stored: asking it would be an act in the log's name. */
export async function checkWitness(
  data: Config["data"],
  witness: WitnessSettings,
  clock: Clock,
): Promise<Finding> {
  const id = `witness-${witness.name}`;
  if (data.postgres === undefined && !existsSync(join(data.directory, "signalbox.db")))
    return notChecked(id, `no node has run on ${data.directory} yet`);
  try {
    const store = await openReadStore(data, allTables);
    try {
      let logs = 0;
      const behind: string[] = [];
      for await (const { tenant, size, at, covered } of witnessCovers(store, witnessKeyOf(witness).name)) {
        logs++;
        if (covered >= size || elapsedMs(clock.wall(), at) < coveredWithinMs) continue;
        behind.push(`${covered} of ${size} entries of tenant ${tenant}`);
      }
      if (behind.length === 0) return fine(id, `has co-signed what there is of ${logs} logs`);
      return odd(
        id,
        `has co-signed ${behind.slice(0, 5).join(", ")}${behind.length > 5 ? " and more" : ""}`,
        "The log of the node that asks it says why: it is down, does not know the log, or contradicts it.",
      );
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
