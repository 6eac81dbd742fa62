import type { Clock, Random } from "../../base/index.ts";
import { openReadOnlySqlite, openSqliteStore } from "../../store/index.ts";
import { allTables } from "../data/all-tables.ts";
import { markRecovered } from "../data/recovery.ts";

/**
 * For data that was brought back by other means than `restore`: a copy of the disk, say. Whatever node starts on it next puts all that was
 * open into review. Rejects with `store-in-use` while one runs on it. Answers with the epoch.
 */
export async function markRestored(
  directory: string,
  reason: string,
  sources: { readonly clock: Clock; readonly random: Random },
): Promise<number> {
  openReadOnlySqlite(directory, allTables).close(); // opening to write would make what is not there
  const store = openSqliteStore({ directory, tables: allTables, clock: sources.clock });
  await store.start();
  try {
    return await markRecovered(store, "restored", reason, sources);
  } finally {
    await store.stop();
  }
}
