import type BetterSqlite from "better-sqlite3";
import { Fault } from "../../base/index.ts";
import type { DataVersion } from "../data-version.ts";
import { readerMinFor, refuseVersion } from "../data-version.ts";
import { absentOf, givesUpColumns, tablesFrom } from "../given-up.ts";
import type { Absent } from "../given-up.ts";
import { metaTable } from "../own-tables.ts";
import type { Table } from "../table.ts";
import { columnDefinition, createStatements, quoted } from "./sql.ts";

/** "SBOX": marks the file as ours, so that a directory with another application's database is never touched. */
const applicationId = 0x53_42_4f_58;

/**
 * Brings the data up to what this code needs. Code of version N opens data of N and of N-1 (which it expands: missing tables
 * and columns are added, nothing is taken away) and leaves data of N+1 as it is, where that says it may. Everything in one
 * SQL transaction: a crash leaves the old state or the new one.
 */
export function prepareSchema(
  database: BetterSqlite.Database,
  tables: readonly Table[],
  codeVersion: number,
): void {
  refuseForeignFile(database);
  database
    .transaction(() => {
      const found = versionOf(database);
      if (found !== null) refuseVersion(found, codeVersion);
      if (found !== null && found.data > codeVersion) return;
      const readerMin = readerMinFor(tables, codeVersion, found);
      expand(database, tablesFrom(tables, readerMin), codeVersion);
      if (found === null || found.data < codeVersion) recordVersion(database, codeVersion, readerMin);
    })
    .immediate();
}

/** Null when the file is new. */
export function versionOf(database: BetterSqlite.Database): DataVersion | null {
  if (!columnsOf(database, metaTable.name).has("value")) return null;
  const read = database.prepare<[string], { value: number }>(
    `SELECT value FROM ${metaTable.name} WHERE name = ?`,
  );
  const data = read.get("dataVersion")?.value;
  const readerMin = read.get("readerMin")?.value;
  return data === undefined || readerMin === undefined ? null : { data, readerMin };
}

export function refuseForeignFile(database: BetterSqlite.Database): void {
  const id = database.pragma("application_id", { simple: true });
  const isEmpty = database.prepare("SELECT 1 FROM sqlite_master LIMIT 1").get() === undefined;
  if (id !== applicationId && !isEmpty) {
    throw new Fault("store-version", `${database.name} is not a data file of this program`, {
      evidence: { applicationId: id },
    });
  }
}

/** Names of the columns the file has; empty when the table is missing. */
export function columnsOf(database: BetterSqlite.Database, table: string): ReadonlySet<string> {
  const rows = database.prepare<[string], { name: string }>("SELECT name FROM pragma_table_info(?)");
  return new Set(rows.all(table).map((row) => row.name));
}

function expand(database: BetterSqlite.Database, tables: readonly Table[], codeVersion: number): void {
  database.pragma(`application_id = ${applicationId}`);
  for (const table of tables) {
    const present = columnsOf(database, table.name);
    if (present.size > 0) {
      for (const name of Object.keys(table.columns).filter((column) => !present.has(column))) {
        addColumn(database, table, name, codeVersion);
      }
    }
    for (const statement of createStatements(table)) database.exec(statement);
  }
}

function addColumn(database: BetterSqlite.Database, table: Table, name: string, codeVersion: number): void {
  if (table.columns[name]?.nullable !== true) {
    throw new Fault(
      "store-version",
      `column ${table.name}.${name} of version ${codeVersion} cannot be added to data that lacks it: it must be nullable`,
    );
  }
  database.exec(`ALTER TABLE ${quoted(table.name)} ADD COLUMN ${columnDefinition(table, name)}`);
}

/** What was given up and is not there any more, because the data was contracted. */
export function absentIn(database: BetterSqlite.Database, tables: readonly Table[]): Absent {
  const each = tables
    .filter(givesUpColumns)
    .map((table) => [table.name, absentOf(table, columnsOf(database, table.name))] as const);
  return new Map(each.filter(([, gone]) => gone.size > 0));
}

function recordVersion(database: BetterSqlite.Database, codeVersion: number, readerMin: number): void {
  const write = database.prepare(`INSERT OR REPLACE INTO ${metaTable.name} (name, value) VALUES (?, ?)`);
  write.run("dataVersion", codeVersion);
  write.run("readerMin", readerMin);
}
