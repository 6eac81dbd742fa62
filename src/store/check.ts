import { invariant, unreachable } from "../base/index.ts";
import { checkGivenUp } from "./given-up.ts";
import { ownTables } from "./own-tables.ts";
import type { ListOptions } from "./store.ts";
import { rowsPerReadMax } from "./store.ts";
import type { Columns, KeyedTable, Row, Table, Value } from "./table.ts";
import type { Transaction, Write } from "./transaction.ts";
import { writesPerTransactionMax } from "./transaction.ts";

/**
 * What every store demands of a transaction before it takes it, so that the stores agree to the letter. A violation is a bug of
 * the room that wrote it, not a refusal.
 */

/** 32 MiB: above any payload a room may keep, far below what would stall a flush for seconds. */
const transactionBytesMax = 33_554_432;

export type TablesByName = ReadonlyMap<string, Table>;

export function tablesByName(tables: readonly Table[]): TablesByName {
  const byName = new Map<string, Table>();
  for (const table of [...ownTables, ...tables]) {
    invariant(!byName.has(table.name), `table ${table.name} is declared twice`);
    invariant(/^[a-z][a-z0-9_]{0,62}$/.test(table.name), `table name ${table.name} is not acceptable`);
    checkTable(table);
    byName.set(table.name, table);
  }
  return byName;
}

function checkTable(table: Table): void {
  checkGivenUp(table);
  for (const column of Object.keys(table.columns)) {
    invariant(/^[A-Za-z][A-Za-z0-9_]{0,62}$/.test(column), `column name ${column} is not acceptable`);
  }
  switch (table.shape) {
    case "keyed":
      for (const column of table.key) {
        invariant(
          table.columns[column]?.nullable === false,
          `key column ${table.name}.${column} is nullable`,
        );
      }
      for (const name of [...Object.keys(table.unique), ...Object.keys(table.indexes)]) {
        invariant(name !== "key" && /^[A-Za-z]\w*$/.test(name), `index name ${name} is not acceptable`);
      }
      for (const name of table.sparse) invariant(name in table.indexes, `no index ${table.name}.${name}`);
      return;
    case "log":
      invariant(
        !("cursor" in table.columns),
        `log ${table.name} has a column "cursor", which is the store's`,
      );
      invariant(table.columns[table.id]?.type === "text", `the id of log ${table.name} must be text`);
      return;
    default:
      unreachable(table);
  }
}

/** Checks and returns about how many bytes the transaction carries. */
export function checkTransaction(tables: TablesByName, transaction: Transaction): number {
  invariant(
    transaction.length <= writesPerTransactionMax,
    `transaction has ${transaction.length} writes; at most ${writesPerTransactionMax}`,
  );
  let bytes = 0;
  for (const write of transaction) {
    const table = tables.get(write.table);
    if (table === undefined) invariant(false, `no table ${write.table}`);
    if (table.givenUp.table !== undefined) invariant(false, `table ${write.table} is given up`);
    bytes += checkWrite(table, write);
  }
  if (bytes > transactionBytesMax) {
    invariant(false, `transaction has about ${bytes} bytes; at most ${transactionBytesMax}`);
  }
  return bytes;
}

function checkWrite(table: Table, write: Write): number {
  switch (write.op) {
    case "insert":
      if (table.shape !== "keyed") invariant(false, `insert into log ${table.name}`);
      return checkWholeRow(table, write.row);
    case "append":
      if (table.shape !== "log") invariant(false, `append to keyed table ${table.name}`);
      return checkWholeRow(table, write.row);
    case "update":
    case "delete": {
      if (table.shape !== "keyed") invariant(false, `${write.op} in log ${table.name}`);
      keyNamed(table, write.key);
      const { columns: givenUp } = table.givenUp;
      if (givenUp !== undefined) {
        for (const column in write.expect)
          invariant(!(column in givenUp), `${table.name}.${column} is given up and not compared`);
      }
      let bytes = checkValues(table, write.key) + checkValues(table, write.expect);
      if (write.op === "update") {
        for (const column of table.key) {
          if (column in write.set) invariant(false, `update sets key column ${table.name}.${column}`);
        }
        bytes += checkValues(table, write.set);
      }
      return bytes;
    }
    default:
      return unreachable(write);
  }
}

function checkWholeRow(table: Table, row: Row): number {
  let bytes = 0;
  for (const column in table.columns) bytes += checkValue(table, column, row[column] ?? null);
  for (const column in row) {
    if (table.columns[column] === undefined) invariant(false, `no column ${table.name}.${column}`);
  }
  return bytes;
}

function checkValues(table: Table, values: Row): number {
  let bytes = 0;
  for (const column in values) bytes += checkValue(table, column, values[column] ?? null);
  return bytes;
}

/** Text must be well-formed (a lone surrogate has no UTF-8, so two keys could fall together) and integers exact. */
function checkValue(table: Table, name: string, value: Value): number {
  const column = table.columns[name];
  if (column === undefined) invariant(false, `no column ${table.name}.${name}`);
  if (value === null) {
    if (!column.nullable) invariant(false, `${table.name}.${name} must not be null`);
    return 1;
  }
  switch (column.type) {
    case "text":
      if (typeof value !== "string") invariant(false, `${table.name}.${name} wants text`);
      if (!value.isWellFormed()) invariant(false, `${table.name}.${name} is not well-formed Unicode`);
      return value.length;
    case "integer":
      if (!Number.isSafeInteger(value)) invariant(false, `${table.name}.${name} wants a safe integer`);
      return 8;
    case "blob":
      if (!(value instanceof Uint8Array)) invariant(false, `${table.name}.${name} wants bytes`);
      return value.byteLength;
    default:
      return unreachable(column.type);
  }
}

/** "key", or the name of the unique key whose columns are exactly those of `row`. */
export function keyNamed<C extends Columns>(table: KeyedTable<C>, row: Row): string {
  if (isExactly(table.key, row)) return "key";
  for (const name in table.unique) {
    if (isExactly(table.unique[name] ?? [], row) && !isGivenUp(table, name)) return name;
  }
  return invariant(false, `${Object.keys(row).join(", ")} is not a key of ${table.name}`) as never;
}

const isGivenUp = (table: Table, index: string): boolean => table.givenUp.indexes?.[index] !== undefined;

function isExactly(columns: readonly string[], row: Row): boolean {
  let count = 0;
  for (const column in row) {
    if (!columns.includes(column)) return false;
    count++;
  }
  return count === columns.length;
}

export interface ListPlan {
  /** See `orderedColumns`. */
  readonly order: readonly string[];
  /** The columns that `equals` fixes: the first of `order`. */
  readonly prefix: readonly string[];
  /** The column the bounds are about; null when none was given. */
  readonly bounded: string | null;
}

export function listPlan<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): ListPlan {
  checkLimit(options.limit);
  const columns = indexColumns(table, options.index);
  if (isGivenUp(table, options.index)) invariant(false, `index ${table.name}.${options.index} is given up`);
  const given = Object.keys(options.equals ?? {});
  const prefix = columns.slice(0, given.length);
  if (!given.every((column) => prefix.includes(column))) {
    invariant(false, `${given.join(", ")} is not a prefix of index ${table.name}.${options.index}`);
  }
  const isBounded = options.after !== undefined || options.from !== undefined || options.upTo !== undefined;
  const bounded = isBounded ? columns[given.length] : null;
  if (bounded === undefined) {
    invariant(false, `index ${table.name}.${options.index} has no column left to bound`);
  }
  if (table.sparse.includes(options.index)) {
    for (const column of columns) {
      const isNamed = column === bounded || (options.equals?.[column] ?? null) !== null;
      if (table.columns[column]?.nullable === true && !isNamed) {
        invariant(false, `index ${table.name}.${options.index} is sparse: name something for ${column}`);
      }
    }
  }
  return { order: orderedColumns(table, options.index), prefix, bounded };
}

/** The columns rows are ordered by: those of the index, then those of the primary key that are not among them. */
export function orderedColumns<C extends Columns>(table: KeyedTable<C>, index: string): readonly string[] {
  const columns = indexColumns(table, index);
  return [...columns, ...table.key.filter((column) => !columns.includes(column))];
}

function indexColumns<C extends Columns>(table: KeyedTable<C>, index: string): readonly string[] {
  const columns = index === "key" ? table.key : (table.unique[index] ?? table.indexes[index]);
  if (columns === undefined) invariant(false, `no index ${table.name}.${index}`);
  return columns;
}

export function checkLimit(limit: number): void {
  invariant(
    Number.isInteger(limit) && limit >= 1 && limit <= rowsPerReadMax,
    `limit is ${limit}; at least 1, at most ${rowsPerReadMax}`,
  );
}

/** The smallest text above every text that starts with `prefix`; null when there is none. Orders by code point, as stores do. */
export function textAfterPrefix(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    if (last === 0x10ffff) continue;
    const next = last === 0xd7ff ? 0xe000 : last + 1; // surrogates are not characters
    return String.fromCodePoint(...points, next);
  }
  return null;
}
