import { existsSync } from "node:fs";
import { join } from "node:path";
import { explain } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { listRuns } from "../ledger/index.ts";
import type { Config } from "./config.ts";
import type { Finding } from "./doctor-finding.ts";
import { failed, fine, notChecked, odd } from "./doctor-finding.ts";
import { allTables } from "./node.ts";
import { openReadStore } from "./open-store.ts";

/** More are all the same to whoever has to look. */
const countMax = 100;

/** Says how many runs of the file's tenant are dead: they wait for a person, and nobody else comes. */
export async function checkRuns(data: Config["data"], tenant: TenantId): Promise<Finding> {
  const id = "runs";
  if (data.postgres === undefined && !existsSync(join(data.directory, "signalbox.db")))
    return notChecked(id, `no node has run on ${data.directory} yet`);
  try {
    const store = await openReadStore(data, allTables);
    try {
      const dead = await listRuns(store, tenant, { state: "dead", limit: countMax });
      if (dead.length === 0) return fine(id, "no run is dead");
      const many = `${dead.length}${dead.length === countMax ? " or more" : ""} run${dead.length === 1 ? " is" : "s are"}`;
      return odd(
        id,
        `${many} dead: nothing of them goes on by itself`,
        "`signalbox runs dead` says why; `signalbox runs retry` or `signalbox runs drop` decides.",
      );
    } finally {
      store.close();
    }
  } catch (thrown) {
    return failed(
      id,
      `the runs cannot be read: ${explain(thrown)}`,
      "Use the version of Signalbox that wrote them.",
    );
  }
}
