/**
 * store/postgres: the durable store of many machines (PostgreSQL 15 or later). Each node is one writer: a flush is one database
 * transaction that carries all transactions that waited, one statement per kind of write; reads go over a small pool.
 *
 * Holds: its tables in one schema, and there beside them `store_writer`: a row per open store, which every flush of it counts up.
 * That row is how a commit whose answer was lost is looked up, and how a node notices that a failover has lost what it was told.
 */
export { checkPostgres } from "./check-database.ts";
export type { PostgresFinding } from "./check-database.ts";
export { contractPostgres } from "./contract.ts";
export type { PostgresConnection, PostgresTls } from "./options.ts";
export { openPostgresFill } from "./fill.ts";
export { openReadOnlyPostgres } from "./read-only.ts";
export { openPostgresStore } from "./store.ts";
export type { EpochChange, PostgresStore, PostgresStoreOptions } from "./store.ts";
