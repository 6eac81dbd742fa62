/**
 * store/sqlite: the durable store of one machine. One worker thread owns the only write connection (WAL, full sync); hot reads
 * use a read-only connection on the main thread. A flush is one SQL transaction that carries all transactions that waited.
 *
 * Holds: `signalbox.db` (with -wal and -shm), `signalbox.lock` (empty; its lock is the directory's) and `signalbox.pid` (who).
 */
export { contractSqlite } from "./contract.ts";
export { openSqliteFill } from "./fill.ts";
export { openReadOnlySqlite } from "./read-only.ts";
export { openSqliteStore } from "./store.ts";
export type { SqliteStoreOptions } from "./store.ts";
