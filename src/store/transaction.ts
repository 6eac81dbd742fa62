import type { Columns, KeyedTable, LogTable, Row, RowOf, Value } from "./table.ts";

/**
 * A transaction is data: a short list of guarded writes, all or nothing. Each write is its own guard:
 *  - insert: no row holds this primary key or any of its unique keys.
 *  - update: the row exists and the `expect` columns have these values (null compares as null). An empty `set` is a pure check.
 *  - delete: the row exists and `expect` holds.
 *  - append: no row of the log has this id.
 */
export type Write =
  | { readonly op: "insert"; readonly table: string; readonly row: Row }
  | {
      readonly op: "update";
      readonly table: string;
      readonly key: Row;
      readonly expect: Row;
      readonly set: Row;
    }
  | { readonly op: "delete"; readonly table: string; readonly key: Row; readonly expect: Row }
  | { readonly op: "append"; readonly table: string; readonly row: Row };

export type Transaction = readonly Write[];

/** At most this many writes in one transaction: a flush must stay short for those who wait behind it. */
export const writesPerTransactionMax = 512;

type KeyOf<C extends Columns> = Partial<RowOf<C>>;

export const insert = <C extends Columns>(table: KeyedTable<C>, row: RowOf<C>): Write => ({
  op: "insert",
  table: table.name,
  row,
});

export const update = <C extends Columns>(
  table: KeyedTable<C>,
  key: KeyOf<C>,
  set: Partial<RowOf<C>>,
  expect: Partial<RowOf<C>> = {},
): Write => ({ op: "update", table: table.name, key: key as Row, expect: expect as Row, set: set as Row });

export const remove = <C extends Columns>(
  table: KeyedTable<C>,
  key: KeyOf<C>,
  expect: Partial<RowOf<C>> = {},
): Write => ({
  op: "delete",
  table: table.name,
  key: key as Row,
  expect: expect as Row,
});

export const append = <C extends Columns>(table: LogTable<C>, row: RowOf<C>): Write => ({
  op: "append",
  table: table.name,
  row,
});

/** Values compared or stored, in the order of columns. */
export const valuesOf = (row: Row, columns: readonly string[]): Value[] =>
  columns.map((column) => row[column] ?? null);

/**
 * A change that is not made yet: the writes that make it, and what its room does in memory once they are durable. Rooms return
 * it; the room that drives the act commits the writes together with its own (a ledger entry, say) and then calls `applied`.
 */
export interface Change<T> {
  readonly writes: Transaction;
  readonly value: T;
  readonly applied: () => void;
}
