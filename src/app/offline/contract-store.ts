import type { Contraction, Remnant } from "../../store/index.ts";
import { contractSqlite, loadPostgres } from "../../store/index.ts";
import type { Config } from "../config/config.ts";
import { nodeLeaseMs } from "../data/node-lease.ts";
import { allTables } from "../data/all-tables.ts";
import { connectionOf } from "../data/open-store.ts";

/** Removes from the store that the configuration names what this version has given up; with `isDry` it says what that is. */
export async function contractStore(order: {
  readonly data: Config["data"];
  readonly isDry: boolean;
  readonly onRemoved: (remnant: Remnant) => void;
}): Promise<Contraction> {
  const { data, ...rest } = order;
  const contract = { ...rest, tables: allTables };
  if (data.postgres === undefined) return contractSqlite(data.directory, contract);
  const { contractPostgres } = await loadPostgres();
  return contractPostgres(connectionOf(data.postgres), { ...contract, leaseMs: nodeLeaseMs });
}
