import type { Snapshot } from "./store.ts";
import type { KeyedTable, LogTable, Row } from "./table.ts";

/** What reading a whole table takes; a store at rest has it, and a snapshot of one at work. */
type KeyedRead = Pick<Snapshot, "list">;

/**
 * Every row of a keyed table in the order of its key, in pages of at most `limit`. It asks for nothing but `list`, so it is the same on
 * every store: where a page ends inside a group of rows with one value, the rest of that group is read by itself.
 */
export async function* scanKeyed(
  read: KeyedRead,
  table: KeyedTable,
  limit: number,
): AsyncGenerator<readonly Row[]> {
  yield* below(read, table, {}, limit);
}

async function* below(
  read: KeyedRead,
  table: KeyedTable,
  equals: Row,
  limit: number,
): AsyncGenerator<readonly Row[]> {
  const depth = Object.keys(equals).length;
  const column = table.key[depth];
  if (column === undefined) return;
  const isLast = depth === table.key.length - 1;
  let after: string | number | undefined;
  for (;;) {
    const page = await read.list(table, {
      index: "key",
      equals: equals as object, // of key columns alone, which are never null
      ...(after === undefined ? {} : { after }),
      limit,
    });
    const end = page.at(-1)?.[column];
    if (end === undefined) return;
    const isAll = page.length < limit;
    // Of the last value there may be more than this page has.
    const whole = isLast || isAll ? page : page.filter((row) => row[column] !== end);
    if (whole.length > 0) yield whole;
    if (isAll) return;
    if (!isLast) yield* below(read, table, { ...equals, [column]: end }, limit);
    after = end as string | number; // a key column holds text or a number
  }
}

/** Every row of a log, over all its partitions, in the order of its cursors, which stand in the rows. */
export async function* scanLog(
  read: Pick<Snapshot, "scanLog">,
  table: LogTable,
  limit: number,
): AsyncGenerator<readonly Row[]> {
  for (let after = 0; ;) {
    const page = await read.scanLog(table, { after, limit });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    after = last["cursor"] as number; // the store's own
  }
}
