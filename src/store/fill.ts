import type { Row, Table } from "./table.ts";

/**
 * An empty store that is being filled with the rows of another, cursors included; only a store that was opened on it after `finish` can
 * be worked with. `abandon` takes back everything, and does nothing after `finish`.
 */
export interface StoreFill {
  /** Rows of one table; of a log with their cursors, which grow from call to call. Rejects when one is there already. */
  put(table: Table, rows: readonly Row[]): Promise<void>;
  /** Everything is durable. */
  finish(): Promise<void>;
  abandon(): Promise<void>;
}

/** What a filled store takes over of `store_meta`: the rest says how its own data is laid out. */
const carriedMeta: ReadonlySet<unknown> = new Set(["storeTime", "epoch"]);

export const isCarried = (table: Table, row: Row): boolean =>
  table.name !== "store_meta" || carriedMeta.has(row["name"]);
