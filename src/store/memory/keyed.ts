import { invariant } from "../../base/index.ts";
import { keyNamed, listPlan, orderedColumns } from "../check.ts";
import type { ListOptions } from "../store.ts";
import type { Columns, KeyedTable, Row, Value } from "../table.ts";
import { valuesOf } from "../transaction.ts";
import { SortedRows, compareValues, isEqual } from "./order.ts";

/** Takes a write back. Writes are undone in the opposite order of their making. */
export type Undo = () => void;

/** A keyed table in memory. A write answers with how to undo it, or null when its guard failed and nothing was changed. */
export class MemoryKeyed {
  readonly table: KeyedTable;
  /** By name of the key ("key" or a unique key's), then by the key's values. */
  private readonly keys = new Map<string, Map<string, Row>>();
  private readonly sorted = new Map<string, SortedRows>();

  constructor(table: KeyedTable) {
    this.table = table;
    for (const name of ["key", ...Object.keys(table.unique)]) this.keys.set(name, new Map());
    for (const name of ["key", ...Object.keys(table.unique), ...Object.keys(table.indexes)]) {
      this.sorted.set(name, new SortedRows(orderedColumns(table, name)));
    }
  }

  get(key: Row): Row | null {
    const name = keyNamed(this.table, key);
    const text = keyText(this.columnsOf(name), key);
    return text === null ? null : (this.keys.get(name)?.get(text) ?? null);
  }

  list(options: ListOptions<Columns>): readonly Row[] {
    const { prefix, bounded } = listPlan(this.table, options);
    const { equals = {}, after, from, upTo } = options;
    const side = (row: Row): number => {
      for (const column of prefix) {
        const order = compareValues(row[column] ?? null, equals[column] ?? null);
        if (order !== 0) return order;
      }
      if (bounded === null) return 0;
      const value = row[bounded] ?? null;
      if (value === null) return -1; // a bound says something about values only
      if (after !== undefined && compareValues(value, after) <= 0) return -1;
      if (from !== undefined && compareValues(value, from) < 0) return -1;
      return upTo !== undefined && compareValues(value, upTo) > 0 ? 1 : 0;
    };
    const sorted = this.sorted.get(options.index);
    invariant(sorted, `no index ${options.index}`);
    return sorted.range(side, options.limit, options.order === "descending").map(copied);
  }

  *inOrderOfArrival(): Iterable<Row> {
    yield* this.keys.get("key")?.values() ?? [];
  }

  insert(row: Row): Undo | null {
    const whole = copied(completed(this.table.columns, row));
    if (this.collides(whole, null)) return null;
    this.put(whole);
    return () => this.drop(whole);
  }

  update(key: Row, expect: Row, set: Row): Undo | null {
    const before = this.expected(key, expect);
    if (before === null) return null;
    const after = copied({ ...before, ...set });
    if (this.collides(after, before)) return null;
    this.drop(before);
    this.put(after);
    return () => {
      this.drop(after);
      this.put(before);
    };
  }

  delete(key: Row, expect: Row): Undo | null {
    const row = this.expected(key, expect);
    if (row === null) return null;
    this.drop(row);
    return () => this.put(row);
  }

  private expected(key: Row, expect: Row): Row | null {
    const row = this.get(key);
    if (row === null) return null;
    for (const column in expect) {
      if (!isEqual(row[column] ?? null, expect[column] ?? null)) return null;
    }
    return row;
  }

  private collides(row: Row, besides: Row | null): boolean {
    for (const [name, rows] of this.keys) {
      const text = keyText(this.columnsOf(name), row);
      const present = text === null ? undefined : rows.get(text);
      if (present !== undefined && present !== besides) return true;
    }
    return false;
  }

  private put(row: Row): void {
    for (const [name, rows] of this.keys) {
      const text = keyText(this.columnsOf(name), row);
      if (text !== null) rows.set(text, row);
    }
    for (const rows of this.sorted.values()) rows.add(row);
  }

  private drop(row: Row): void {
    for (const [name, rows] of this.keys) {
      const text = keyText(this.columnsOf(name), row);
      if (text !== null) rows.delete(text);
    }
    for (const rows of this.sorted.values()) rows.remove(row);
  }

  private columnsOf(key: string): readonly string[] {
    return key === "key" ? this.table.key : (this.table.unique[key] ?? []);
  }
}

/** Tells keys apart. Null when a column is null: then the key does not bind the row. */
function keyText(columns: readonly string[], row: Row): string | null {
  const parts: (string | number)[] = [];
  for (const value of valuesOf(row, columns)) {
    if (value === null) return null;
    parts.push(value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value);
  }
  return JSON.stringify(parts);
}

export function completed(columns: Columns, row: Row): Row {
  const whole: Record<string, Value> = {};
  for (const column in columns) whole[column] = row[column] ?? null;
  return whole;
}

/** Nobody outside may hold the bytes the store keeps, nor the store those of a caller. */
export function copied<R extends Row>(row: R): R {
  const copy: Record<string, Value> = {};
  for (const column in row) {
    const value = row[column] ?? null;
    copy[column] = value instanceof Uint8Array ? Buffer.from(value) : value;
  }
  return copy as R;
}
