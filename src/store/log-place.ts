import type { Logged, Store } from "./store.ts";
import type { LogTable, RowOf, text } from "./table.ts";

/** Where a reader of a log stands: at the newest row that it has seen. null = before the first. */
export type LogPlace = { readonly cursor: number; readonly id: string } | null;

/** A log whose rows each say in a word what has changed. */
type Words = Readonly<Record<"id" | "log" | "subject", typeof text>>;

interface Page {
  readonly rows: readonly Logged<RowOf<Words>>[];
  /** At the last of them. */
  readonly place: LogPlace;
}

type Reader = Pick<Store, "listLog">;

/** Behind all that is there now. */
export async function endOfLog(store: Reader, table: LogTable<Words>, partition: string): Promise<LogPlace> {
  const [newest] = await store.listLog(table, { partition, order: "descending", limit: 1 });
  return newest ?? null;
}

/**
 * The next rows. null = the row of this place is not there any more: the store has become an earlier one, cursors are given a second
 * time, and whoever has followed the log knows what nobody else knows, and would miss what comes.
 */
export async function rowsBehind(
  store: Reader,
  table: LogTable<Words>,
  at: { readonly partition: string; readonly place: LogPlace; readonly limit: number },
): Promise<Page | null> {
  const { partition, place, limit } = at;
  if (place === null) {
    const rows = await store.listLog(table, { partition, limit });
    return { rows, place: rows.at(-1) ?? null };
  }
  const [seen, ...rows] = await store.listLog(table, {
    partition,
    after: place.cursor - 1,
    limit: limit + 1,
  });
  if (seen?.cursor !== place.cursor || seen.id !== place.id) return null;
  return { rows, place: rows.at(-1) ?? place };
}
