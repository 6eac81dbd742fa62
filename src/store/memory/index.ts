/**
 * store/memory: the store for unit tests and simulation. Same semantics as the durable ones (it passes the same suite), every
 * fault on demand or by seed; what it holds lives in a MemoryDatabase, which outlives the crash of the store.
 */
export { MemoryDatabase } from "./database.ts";
export { openMemoryFill } from "./fill.ts";
export type { FaultOptions, MemoryFault } from "./faults.ts";
export { MemoryStore, openMemoryStore } from "./store.ts";
export type { MemoryStoreOptions } from "./store.ts";
