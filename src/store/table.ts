/**
 * Tables are data. Each room declares its own in `tables.ts`; `store` creates and runs them and knows none by name except its
 * own. Two shapes:
 *  - keyed: rows under a primary key; inserted if absent, updated under a guard, deleted under a guard.
 *  - log: rows are only ever appended. The store gives each a cursor such that a reader who has seen cursor c never later finds
 *    a row below c: readers can follow a log by cursor alone.
 */
export type ColumnType = "text" | "integer" | "blob";

export interface Column<T extends ColumnType = ColumnType, N extends boolean = boolean> {
  readonly type: T;
  readonly nullable: N;
}

export const text: Column<"text", false> = { type: "text", nullable: false };
export const integer: Column<"integer", false> = { type: "integer", nullable: false };
export const blob: Column<"blob", false> = { type: "blob", nullable: false };
export const textOrNull: Column<"text", true> = { type: "text", nullable: true };
export const integerOrNull: Column<"integer", true> = { type: "integer", nullable: true };
export const blobOrNull: Column<"blob", true> = { type: "blob", nullable: true };

export type Columns = Readonly<Record<string, Column>>;
export type Value = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, Value>>;

type Base<T extends ColumnType> = T extends "text" ? string : T extends "integer" ? number : Uint8Array;
export type RowOf<C extends Columns> = {
  readonly [K in keyof C]: C[K]["nullable"] extends true ? Base<C[K]["type"]> | null : Base<C[K]["type"]>;
};

/**
 * What code of this data version and later does without. Code of the version before needs it, so it stays until somebody has the data
 * contracted: then it is removed, and older code is refused. The line itself stays for as long as there may be data that was not contracted.
 */
export interface GivenUp {
  /** The table as a whole is neither read nor written any more. */
  readonly table?: number;
  /** Filled, where rows are written, and neither read nor compared. */
  readonly columns?: Readonly<Record<string, number>>;
  /** Indexes and unique keys: nothing is read by them. Those over a column go with it, or before. */
  readonly indexes?: Readonly<Record<string, number>>;
}

export interface KeyedTable<C extends Columns = Columns> {
  readonly shape: "keyed";
  readonly name: string;
  readonly columns: C;
  /** Primary key, in the order reads narrow by. */
  readonly key: readonly (keyof C & string)[];
  /** Further unique keys. A row with a null in one of its columns is not bound by that key. */
  readonly unique: Readonly<Record<string, readonly (keyof C & string)[]>>;
  /** Indexes for `list`. */
  readonly indexes: Readonly<Record<string, readonly (keyof C & string)[]>>;
  /**
   * Indexes that need not hold rows with a null in one of their columns. Whoever reads by one names something for each of those columns.
   * Worth it where most rows have a null there: they then cost nothing in the index.
   */
  readonly sparse: readonly string[];
  /** The data version that introduced the table, and those that added a column (which must then be nullable). */
  readonly since: number;
  readonly columnsSince: Readonly<Record<string, number>>;
  readonly givenUp: GivenUp;
}

export interface LogTable<C extends Columns = Columns> {
  readonly shape: "log";
  readonly name: string;
  readonly columns: C;
  /** A text column, unique over the whole log. Reads by id prefix are possible (`list` on index "id"). */
  readonly id: keyof C & string;
  /** The column that separates independent logs in one table, e.g. the tenant. */
  readonly partition: keyof C & string;
  readonly since: number;
  readonly columnsSince: Readonly<Record<string, number>>;
  readonly givenUp: GivenUp;
}

export type Table = KeyedTable | LogTable;

export function keyedTable<const C extends Columns>(definition: {
  name: string;
  columns: C;
  key: readonly (keyof C & string)[];
  unique?: Readonly<Record<string, readonly (keyof C & string)[]>>;
  indexes?: Readonly<Record<string, readonly (keyof C & string)[]>>;
  sparse?: readonly string[];
  since?: number;
  columnsSince?: Readonly<Record<string, number>>;
  givenUp?: GivenUp;
}): KeyedTable<C> {
  const left = { unique: {}, indexes: {}, sparse: [], since: 1, columnsSince: {}, givenUp: {} };
  return { shape: "keyed", ...left, ...definition };
}

export function logTable<const C extends Columns>(definition: {
  name: string;
  columns: C;
  id: keyof C & string;
  partition: keyof C & string;
  since?: number;
  columnsSince?: Readonly<Record<string, number>>;
  givenUp?: GivenUp;
}): LogTable<C> {
  return { shape: "log", since: 1, columnsSince: {}, givenUp: {}, ...definition };
}
