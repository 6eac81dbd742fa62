import { unreachable } from "../../base/index.ts";
import type { ListPlan } from "../check.ts";
import { signalTable } from "../own-tables.ts";
import type { Columns, ColumnType, KeyedTable, LogTable, Table } from "../table.ts";

/** The texts of all statements. Names come from declared tables only (checked there), values are always bound. */

const types = {
  text: "TEXT",
  integer: "INTEGER",
  blob: "BLOB",
} as const satisfies Record<ColumnType, string>;

export const quoted = (name: string): string => `"${name}"`;
const list = (names: readonly string[]): string => names.map(quoted).join(", ");
const placeholders = (count: number): string => Array.from({ length: count }, () => "?").join(", ");

/** What makes the table and its indexes; each statement does nothing when its thing is there already. */
export function createStatements(table: Table): string[] {
  const columns = Object.keys(table.columns).map((name) => columnDefinition(table, name));
  switch (table.shape) {
    case "keyed": {
      // Signals are taken in the order of their arrival, which is what a row id is.
      const tail = table.name === signalTable.name ? "STRICT" : "STRICT, WITHOUT ROWID";
      const key = `PRIMARY KEY (${list(table.key)})`;
      return [
        `CREATE TABLE IF NOT EXISTS ${quoted(table.name)} (${[...columns, key].join(", ")}) ${tail}`,
        // A row with a null is not bound by a unique key, so it need not be in its index either.
        ...Object.entries(table.unique).map(([name, on]) =>
          createIndex(table, "UNIQUE INDEX", name, on, true),
        ),
        ...Object.entries(table.indexes).map(([name, on]) =>
          createIndex(table, "INDEX", name, on, table.sparse.includes(name)),
        ),
      ];
    }
    case "log":
      return [
        `CREATE TABLE IF NOT EXISTS ${quoted(table.name)} ("cursor" INTEGER PRIMARY KEY, ${columns.join(", ")}) STRICT`,
        createIndex(table, "UNIQUE INDEX", "id", [table.id]),
        createIndex(table, "INDEX", "partition", [table.partition]), // SQLite appends the row id: our cursor
      ];
    default:
      return unreachable(table);
  }
}

function createIndex(
  table: Table,
  kind: string,
  name: string,
  columns: readonly string[],
  isSparse = false,
): string {
  const nullable = isSparse ? columns.filter((column) => table.columns[column]?.nullable === true) : [];
  const only = nullable.map((column) => `${quoted(column)} IS NOT NULL`).join(" AND ");
  const where = only === "" ? "" : ` WHERE ${only}`;
  return `CREATE ${kind} IF NOT EXISTS ${quoted(`${table.name}.${name}`)} ON ${quoted(table.name)} (${list(columns)})${where}`;
}

export function columnDefinition(table: Table, name: string): string {
  const column = table.columns[name];
  if (column === undefined) throw new TypeError(`no column ${table.name}.${name}`);
  return `${quoted(name)} ${types[column.type]}${column.nullable ? "" : " NOT NULL"}`;
}

/** Does nothing (zero changes) when a unique key is taken; every other violation still fails. */
export const insertStatement = (table: Table): string => {
  const columns = Object.keys(table.columns);
  return `INSERT INTO ${quoted(table.name)} (${list(columns)}) VALUES (${placeholders(columns.length)}) ON CONFLICT DO NOTHING`;
};

/** A row as it stands elsewhere, a log's cursor included. Fails when one with its keys is there. */
export const fillStatement = (table: Table, columns: readonly string[]): string =>
  `INSERT INTO ${quoted(table.name)} (${list(columns)}) VALUES (${placeholders(columns.length)})`;

/** Binds set, key, expect, in this order. Without `set` it only asks whether the row is there and as expected. */
export function updateStatement(
  table: string,
  set: readonly string[],
  key: readonly string[],
  expect: readonly string[],
): string {
  if (set.length === 0) return `SELECT 1 FROM ${quoted(table)} WHERE ${where(key, expect)}`;
  const assignments = set.map((name) => `${quoted(name)} = ?`).join(", ");
  return `UPDATE OR IGNORE ${quoted(table)} SET ${assignments} WHERE ${where(key, expect)}`;
}

export const deleteStatement = (table: string, key: readonly string[], expect: readonly string[]): string =>
  `DELETE FROM ${quoted(table)} WHERE ${where(key, expect)}`;

/** `=` for keys (a null names no row), `IS` for expectations (null compares as null). */
function where(key: readonly string[], expect: readonly string[]): string {
  return [...key.map((name) => `${quoted(name)} = ?`), ...expect.map((name) => `${quoted(name)} IS ?`)].join(
    " AND ",
  );
}

/** What to select: a column that the data does not have yet reads as null. */
export const selection = (columns: readonly string[], present: ReadonlySet<string>): string =>
  columns.map((name) => (present.has(name) ? quoted(name) : `NULL AS ${quoted(name)}`)).join(", ");

export interface ListBounds {
  /** Which of the prefix's values are null. A sparse index is used only where the statement itself says that its columns are not. */
  readonly nulls: readonly boolean[];
  readonly after: boolean;
  readonly from: boolean;
  readonly upTo: boolean;
  readonly isDescending: boolean;
}

/**
 * A bound value into which the planner does not look. Into a plain one it does where rows are ordered or limited, whatever comes of it, and
 * then SQLite plans the statement anew each time another value is bound: 32 instead of 10 µs for one row of 21 columns.
 */
export const bound = "+?";
export const boundLimit = "LIMIT CAST(? AS INTEGER)"; // a sign alone is looked through here

/** Binds the prefix's values that are not null, then after, from, upTo where given, then the limit. */
export function listStatement<C extends Columns>(
  table: KeyedTable<C>,
  plan: ListPlan,
  bounds: ListBounds,
  present: ReadonlySet<string>,
): string {
  const { bounded } = plan;
  const conditions = plan.prefix.map((name, i) =>
    bounds.nulls[i] === true ? `${quoted(name)} IS NULL` : `${quoted(name)} = ${bound}`,
  );
  if (bounded !== null && bounds.after) conditions.push(`${quoted(bounded)} > ${bound}`);
  if (bounded !== null && bounds.from) conditions.push(`${quoted(bounded)} >= ${bound}`);
  if (bounded !== null && bounds.upTo) conditions.push(`${quoted(bounded)} <= ${bound}`);
  const direction = bounds.isDescending ? " DESC" : "";
  return [
    `SELECT ${selection(Object.keys(table.columns), present)} FROM ${quoted(table.name)}`,
    conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`,
    `ORDER BY ${plan.order.map((name) => quoted(name) + direction).join(", ")} ${boundLimit}`,
  ].join(" ");
}

/** Binds the partition, the bound where given, the limit. */
export function logStatement<C extends Columns>(
  table: LogTable<C>,
  wanted: readonly string[],
  isDescending: boolean,
  hasAfter: boolean,
  present: ReadonlySet<string>,
): string {
  const after = hasAfter ? `AND "cursor" ${isDescending ? "<" : ">"} ${bound}` : "";
  const columns = selection([...wanted, "cursor"], present);
  return `SELECT ${columns} FROM ${quoted(table.name)} WHERE ${quoted(table.partition)} = ${bound} ${after} ORDER BY "cursor"${isDescending ? " DESC" : ""} ${boundLimit}`;
}

/** Binds the cursor all must be above, and the limit. */
export const scanStatement = <C extends Columns>(table: LogTable<C>, present: ReadonlySet<string>): string =>
  `SELECT ${selection([...Object.keys(table.columns), "cursor"], present)} FROM ${quoted(table.name)} WHERE "cursor" > ${bound} ORDER BY "cursor" ${boundLimit}`;

/** Binds the first id, the id below which all must be (where `isBounded`), the limit. */
export function byIdStatement<C extends Columns>(
  table: LogTable<C>,
  isBounded: boolean,
  present: ReadonlySet<string>,
): string {
  const columns = selection([...Object.keys(table.columns), "cursor"], present);
  const id = quoted(table.id);
  return `SELECT ${columns} FROM ${quoted(table.name)} WHERE ${id} >= ${bound}${isBounded ? ` AND ${id} < ${bound}` : ""} ORDER BY ${id} ${boundLimit}`;
}
