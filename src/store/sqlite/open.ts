import BetterSqlite from "better-sqlite3";
import { join } from "node:path";

export const dataFile = (directory: string): string => join(directory, "signalbox.db");

/**
 * So long may the write-ahead log grow before a commit copies it into the data file, everybody waiting: 128 MiB of pages. A thread
 * beside the writer sees to it that it hardly ever comes to that; longer logs take fewer writes, because hot pages are copied once for more
 * commits.
 */
export const checkpointPages = 32_768;
/** What the write-ahead log is cut back to after a burst made it larger. */
const journalBytesMax = 67_108_864;
/** What the writer changes most has room in it. */
const writerCacheKib = 32_768;
/** Anybody's commit empties it, so it never holds more than was read since. */
const readerCacheKib = 8_192;
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
    database.pragma(`cache_size = -${writerCacheKib}`);
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

/** Reads nothing and writes no transaction, so it needs no cache. */
export function openCheckpointConnection(file: string): BetterSqlite.Database {
  const database = new BetterSqlite(file, { timeout: busyMs, fileMustExist: true });
  database.pragma("synchronous = FULL");
  database.pragma("wal_autocheckpoint = 0");
  return database;
}

export interface Copied {
  /** Pages in the write-ahead log. */
  readonly log: number;
  /** How many of them are in the data file. */
  readonly copied: number;
}

/** Copies what it can without waiting for anybody. Once all is copied, the next commit begins the log anew. */
export function copyPages(database: BetterSqlite.Database): Copied {
  // SQLite's own names, of which there is one row.
  const [row] = database.pragma("wal_checkpoint(PASSIVE)") as { log: number; checkpointed: number }[];
  return { log: row?.log ?? 0, copied: row?.checkpointed ?? 0 };
}

export function openReadConnection(file: string): BetterSqlite.Database {
  const database = new BetterSqlite(file, { timeout: busyMs, readonly: true, fileMustExist: true });
  database.pragma(`cache_size = -${readerCacheKib}`);
  return database;
}
