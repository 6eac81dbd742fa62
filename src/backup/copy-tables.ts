import type { Row, Snapshot, StoreFill, Table } from "../store/index.ts";
import { scanKeyed, scanLog } from "../store/index.ts";

/** Rows read at once: about a millisecond of a node's time with rows of the usual size. */
const rowsPerPage = 64;

/** Every row of the tables, in pages. */
export async function* tablePages(
  snapshot: Snapshot,
  tables: readonly Table[],
): AsyncGenerator<{ readonly table: Table; readonly rows: readonly Row[] }> {
  for (const table of tables) {
    const pages =
      table.shape === "log" ? scanLog(snapshot, table, rowsPerPage) : scanKeyed(snapshot, table, rowsPerPage);
    for await (const rows of pages) {
      yield { table, rows };
      // Reading may not wait for anything; whoever the node serves meanwhile gets a turn all the same.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

/** From one store into another. Answers with how many rows of each table there were. */
export async function copyTables(
  from: Snapshot,
  to: StoreFill,
  tables: readonly Table[],
  onRows: (rows: number) => void = () => undefined,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for await (const { table, rows } of tablePages(from, tables)) {
    await to.put(table, rows);
    counts.set(table.name, (counts.get(table.name) ?? 0) + rows.length);
    onRows(rows.length);
  }
  return counts;
}
