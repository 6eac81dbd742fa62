import { invariant } from "../base/index.ts";
import type { Request } from "./request.ts";
import type { KeyedTable, Table } from "./table.ts";
import type { Write } from "./transaction.ts";

/** Something that data may still have, and code from `since` on does without. */
export interface Remnant {
  readonly kind: "index" | "column" | "table";
  readonly table: string;
  /** Of the index or column; of a table: its own. */
  readonly name: string;
  readonly since: number;
}

/** Of each table the given-up columns that the data does not have any more. */
export type Absent = ReadonlyMap<string, ReadonlySet<string>>;

/** What code of this version does without, in the order in which it can be removed. */
export function remnantsOf(tables: readonly Table[], version: number): readonly Remnant[] {
  const named = (kind: Remnant["kind"], table: Table, given: Readonly<Record<string, number>> = {}) =>
    Object.entries(given).map(([name, since]) => ({ kind, table: table.name, name, since }));
  const all = [
    ...tables.flatMap((table) => named("index", table, table.givenUp.indexes)),
    ...tables.flatMap((table) => named("column", table, table.givenUp.columns)),
    ...tables.flatMap((table) =>
      table.givenUp.table === undefined ? [] : named("table", table, { [table.name]: table.givenUp.table }),
    ),
  ];
  return all.filter(({ since }) => since <= version);
}

/** The tables as data has them that only code of this version and later opens. */
export function tablesFrom(tables: readonly Table[], readerMin: number): readonly Table[] {
  const isKept = (since: number | undefined) => since === undefined || since > readerMin;
  return tables
    .filter(({ givenUp }) => isKept(givenUp.table))
    .map((table) => {
      const { columns, indexes } = table.givenUp;
      const kept = withoutColumns(table, (column) => !isKept(columns?.[column]));
      return kept.shape === "log" ? kept : withoutIndexes(kept, (name) => !isKept(indexes?.[name]));
    });
}

/** The tables as data has them that lacks these columns. */
export function tablesWithout(
  byName: ReadonlyMap<string, Table>,
  absent: Absent,
): ReadonlyMap<string, Table> {
  if (absent.size === 0) return byName;
  const each = [...byName].map(([name, table]) => {
    const gone = absent.get(name);
    return [name, gone === undefined ? table : withoutColumns(table, (column) => gone.has(column))] as const;
  });
  return new Map(each);
}

/** `present`: the columns that the data has of a table; none = it has no such table. */
export function absentOf(table: Table, present: ReadonlySet<string>): ReadonlySet<string> {
  return new Set(Object.keys(table.givenUp.columns ?? {}).filter((column) => !present.has(column)));
}

export const givesUpColumns = ({ givenUp }: Table): boolean => Object.keys(givenUp.columns ?? {}).length > 0;

/** Requests as such data takes them: a column that is not there is not set. (A row is written by the columns of its table.) */
export function pruned(requests: readonly Request[], absent: Absent): readonly Request[] {
  if (absent.size === 0) return requests;
  return requests.map((request) =>
    request.kind === "transaction"
      ? { ...request, writes: request.writes.map((write) => prunedWrite(write, absent)) }
      : request,
  );
}

/** As a store takes a write that keeps nothing of what is given up. */
export function keptOf(write: Write, table: Table | undefined): Write {
  if (table === undefined || !givesUpColumns(table) || write.op === "delete") return write;
  const isGone = (column: string) => table.givenUp.columns?.[column] !== undefined;
  if (write.op === "update") return { ...write, set: kept(write.set, isGone) };
  const row = Object.fromEntries(
    Object.entries(write.row).map(([column, value]) => [column, isGone(column) ? null : value]),
  );
  return { ...write, row };
}

function prunedWrite(write: Write, absent: Absent): Write {
  const gone = absent.get(write.table);
  if (gone === undefined || write.op !== "update") return write;
  return { ...write, set: kept(write.set, (column) => gone.has(column)) };
}

/** A bug of the room that declared it, found when the store is opened. */
export function checkGivenUp(table: Table): void {
  const { columns = {}, indexes = {} } = table.givenUp;
  const fixed: readonly string[] = table.shape === "log" ? [table.id, table.partition] : table.key;
  for (const column of Object.keys(columns)) {
    invariant(column in table.columns, `no column ${table.name}.${column}`);
    invariant(!fixed.includes(column), `${table.name}.${column} cannot be given up: rows are found by it`);
  }
  const ways = table.shape === "log" ? {} : { ...table.unique, ...table.indexes };
  for (const name of Object.keys(indexes)) invariant(name in ways, `no index ${table.name}.${name}`);
  for (const [name, over] of Object.entries(ways))
    for (const column of over)
      invariant(
        (indexes[name] ?? Infinity) <= (columns[column] ?? Infinity),
        `index ${table.name}.${name} outlives its column ${column}`,
      );
}

const withoutColumns = <T extends Table>(table: T, isGone: (column: string) => boolean): T => ({
  ...table,
  columns: kept(table.columns, isGone),
});

const withoutIndexes = (table: KeyedTable, isGone: (name: string) => boolean): KeyedTable => ({
  ...table,
  unique: kept(table.unique, isGone),
  indexes: kept(table.indexes, isGone),
  sparse: table.sparse.filter((name) => !isGone(name)),
});

const kept = <V>(all: Readonly<Record<string, V>>, isGone: (name: string) => boolean): Record<string, V> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => !isGone(name)));
