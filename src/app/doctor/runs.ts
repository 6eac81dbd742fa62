import { explain, Fault } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import { listRuns } from "../../ledger/index.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, notChecked, odd } from "./finding.ts";
import { allTables } from "../data/all-tables.ts";
import { openReadStore } from "../data/open-store.ts";

/** More are all the same to whoever has to look. */
const countMax = 100;

/** Says how many runs of the file's tenant are dead: they wait for a person, and nobody else comes. */
export async function checkRuns(data: Config["data"], tenant: TenantId): Promise<Finding> {
  const id = "runs";
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
    const code = thrown instanceof Fault ? thrown.code : null;
    if (code === "not-found")
      return notChecked(
        id,
        `no node has run on ${data.postgres === undefined ? data.directory : "this database"} yet`,
      );
    return failed(
      id,
      `the runs cannot be read: ${explain(thrown)}`,
      code === "store-version"
        ? "Use the version of Signalbox that wrote them."
        : "Look at what the findings above say of the data.",
    );
  }
}
