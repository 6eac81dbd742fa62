import BetterSqlite from "better-sqlite3";
import { join } from "node:path";

export const dataFile = (directory: string): string => join(directory, "signalbox.db");

/** 16 MiB of pages between checkpoints (SQLite's default is 4): hot pages are then written back once for more commits. */
const checkpointPages = 4096;
/** What the write-ahead log is cut back to after a burst made it larger. */
const journalBytesMax = 67_108_864;
/** Page cache per connection. */
const cacheKib = 32_768;
/** Only a backup or a checkpoint of another process can hold us up, and neither for long. */
const busyMs = 5_000;

/** The one write connection. */
export function openWriteConnection(file: string, bytesMax: number | null): BetterSqlite.Database {
  const database = new BetterSqlite(file, { timeout: busyMs });
  try {
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
    database.pragma(`journal_size_limit = ${journalBytesMax}`);
    database.pragma(`cache_size = -${cacheKib}`);
    // Savepoints keep what they may have to undo in memory, not in a file of its own.
    database.pragma("temp_store = MEMORY");
    if (bytesMax !== null) {
      const pageBytes = database.pragma("page_size", { simple: true }) as number;
      database.pragma(`max_page_count = ${Math.max(1, Math.floor(bytesMax / pageBytes))}`);
    }
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

export function openReadConnection(file: string): BetterSqlite.Database {
  const database = new BetterSqlite(file, { timeout: busyMs, readonly: true, fileMustExist: true });
  database.pragma(`cache_size = -${cacheKib}`);
  return database;
}
