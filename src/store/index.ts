/**
 * store: transactions as data, group commit, leases, signals (kept until taken, first wins), wake-ups, migrations.
 *
 * Identities: lease fences, with the store's epoch in front, and log cursors, which only grow. Bounds: `writesPerTransactionMax`, 32 MiB per transaction,
 * `rowsPerReadMax`, and each store's `waitingMax`. Errors: Fault `store-busy`, `store-unavailable`, `store-in-use`,
 * `store-version`, `lease-lost`, `shutting-down`; a transaction that no table allows is a bug (InvariantError). Signals: hints
 * per topic. Holds no domain rule; knows no table by name except its own.
 */
export { blob, blobOrNull, integer, integerOrNull, keyedTable, logTable, text, textOrNull } from "./table.ts";
export type { Columns, KeyedTable, LogTable, Row, RowOf, Table, Value } from "./table.ts";
export { append, insert, remove, update, writesPerTransactionMax } from "./transaction.ts";
export type { Change, Transaction, Write } from "./transaction.ts";
export { expiredLeases, isWaiting, leaseOf, signal, takeBack, wakeUp } from "./own-tables.ts";
export { Duty } from "./duty.ts";
export type { DutyOptions } from "./duty.ts";
export { loadPostgres } from "./load-postgres.ts";
export type {
  EpochChange,
  PostgresConnection,
  PostgresFinding,
  PostgresStore,
  PostgresStoreOptions,
  PostgresTls,
} from "./postgres/index.ts";
export { epochOf, fenceFloor, raiseEpoch, raiseEpochFrom } from "./epoch.ts";
export type { RollCall, RollCallStanding } from "./roll-call.ts";
export type { StoreFill } from "./fill.ts";
export { ownTables } from "./own-tables.ts";
export { scanKeyed, scanLog } from "./scan.ts";
export { endOfLog, rowsBehind } from "./log-place.ts";
export type { LogPlace } from "./log-place.ts";
export { MemoryDatabase, openMemoryFill, openMemoryStore } from "./memory/index.ts";
export type { FaultOptions, MemoryFault, MemoryStore, MemoryStoreOptions } from "./memory/index.ts";
export { dataVersionOf } from "./data-version.ts";
export type { Contraction, ContractOrder } from "./contraction.ts";
export type { Remnant } from "./given-up.ts";
export { contractSqlite, openReadOnlySqlite, openSqliteFill, openSqliteStore } from "./sqlite/index.ts";
export type { SqliteStoreOptions } from "./sqlite/index.ts";
export { rowsPerReadMax } from "./store.ts";
export type {
  Lease,
  ListOptions,
  LogOptions,
  Logged,
  ReadStore,
  Snapshot,
  Signal,
  Store,
  StoreStats,
  Verdict,
  WakeUp,
} from "./store.ts";
