import { invariant } from "../../base/index.ts";
import { checkLimit } from "../check.ts";
import type { LogOptions } from "../store.ts";
import type { LogTable, Row } from "../table.ts";
import type { Undo } from "./keyed.ts";
import { completed, copied } from "./keyed.ts";
import { SortedRows, compareValues } from "./order.ts";

/** A log in memory. The cursor grows by one with every append that stays. */
export class MemoryLog {
  readonly table: LogTable;
  private readonly byId: SortedRows;
  private readonly ids = new Map<string, Row>();
  private readonly byCursor: SortedRows;
  private lastCursor = 0;

  constructor(table: LogTable) {
    this.table = table;
    this.byId = new SortedRows([table.id]);
    this.byCursor = new SortedRows([table.partition, "cursor"]);
  }

  append(row: Row): Undo | null {
    const id = row[this.table.id] as string;
    if (this.ids.has(id)) return null;
    const whole = copied({ ...completed(this.table.columns, row), cursor: this.lastCursor + 1 });
    this.lastCursor++;
    this.ids.set(id, whole);
    this.byId.add(whole);
    this.byCursor.add(whole);
    return () => {
      this.lastCursor--;
      this.ids.delete(id);
      this.byId.remove(whole);
      this.byCursor.remove(whole);
    };
  }

  get size(): number {
    return this.ids.size;
  }

  /** A row of another store, under the cursor it has there. */
  adopt(row: Row): void {
    this.lastCursor = (row["cursor"] as number) - 1;
    invariant(this.append(row) !== null, `log ${this.table.name} has that row already`);
  }

  /** Of all partitions, ascending by cursor. */
  scan(after: number, limit: number): readonly Row[] {
    return [...this.ids.values()]
      .filter((row) => (row["cursor"] as number) > after)
      .toSorted((a, b) => (a["cursor"] as number) - (b["cursor"] as number))
      .slice(0, limit)
      .map(copied);
  }

  get(id: string): Row | null {
    const row = this.ids.get(id);
    return row === undefined ? null : copied(row);
  }

  listById(prefix: string, limit: number): readonly Row[] {
    checkLimit(limit);
    const { id } = this.table;
    const side = (row: Row): number => {
      const own = row[id] as string;
      return own.startsWith(prefix) ? 0 : compareValues(own, prefix);
    };
    return this.byId.range(side, limit, false).map(copied);
  }

  listLog(options: LogOptions): readonly Row[] {
    checkLimit(options.limit);
    const { partition, after } = options;
    const isDescending = options.order === "descending";
    const side = (row: Row): number => {
      const order = compareValues(row[this.table.partition] as string, partition);
      if (order !== 0 || after === undefined) return order;
      const cursor = row.cursor as number;
      if (isDescending) return cursor < after ? 0 : 1;
      return cursor > after ? 0 : -1;
    };
    const rows = this.byCursor.range(side, options.limit, isDescending).map(copied);
    const { columns } = options;
    if (columns === undefined) return rows;
    return rows.map((row) =>
      Object.fromEntries([...columns, "cursor"].map((name) => [name, row[name] ?? null])),
    );
  }
}
