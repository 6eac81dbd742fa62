import { Fault, invariant } from "../../base/index.ts";
import { readerMinFor, refuseVersion } from "../data-version.ts";
import type { DataVersion } from "../data-version.ts";
import { absentOf, givesUpColumns, tablesFrom } from "../given-up.ts";
import type { Absent } from "../given-up.ts";
import { metaTable } from "../own-tables.ts";
import type { Table } from "../table.ts";
import type { Connection, Statement } from "./connection.ts";
import { isLockedOut } from "./failure.ts";
import { writerTable } from "./own-statements.ts";
import { rollCallRows } from "./roll-call.ts";
import type { Index, Names } from "./sql.ts";
import { columnDefinition, createIndex, createTable, indexesOf, quoted } from "./sql.ts";
import { briefly } from "./transactions.ts";

/** A new column needs its table for an instant. */
const lockMs = 1_000;
const expandAttemptsMax = 30;
/** Between two looks whether another node is done with its expansion; building an index of a large table takes minutes. */
const lookAgainSeconds = 0.2;
const looksMax = 9_000;

/**
 * Brings the data up to what this code needs, also while nodes of the version before are at work: missing tables and columns are
 * added in one transaction, missing indexes of tables that hold rows are built without holding up writers, and only then the
 * version is raised. Nothing is taken away. A crash leaves the old version, and the next start goes on from there.
 */
export async function prepareSchema(
  open: () => Promise<Connection>,
  names: Names,
  tables: readonly Table[],
  codeVersion: number,
): Promise<void> {
  const guard = await open();
  try {
    await takeTurn(guard, names);
    const connection = await open();
    try {
      const readerMin = await expandPatiently(connection, names, tables, codeVersion);
      if (readerMin === null) return;
      await buildIndexes(connection, names, tablesFrom(tables, readerMin));
      await recordVersion(connection, names, codeVersion, readerMin);
    } finally {
      await connection.close();
    }
  } finally {
    await guard.close();
  }
}

/**
 * One node at a time. The lock is a transaction's, in a connection of its own (a pooler lends none for longer), and is tried for
 * instead of waited for: an index is built concurrently only once every statement that began before has ended, waiting ones too.
 */
export async function takeTurn(guard: Connection, names: Names): Promise<void> {
  for (let look = 0; look < looksMax; look++) {
    await guard.run([
      { text: "BEGIN" },
      { text: "SELECT set_config('idle_in_transaction_session_timeout', '0', true)" },
    ]);
    const rows = await guard.rows(
      `SELECT pg_try_advisory_xact_lock(hashtextextended('signalbox schema ' || $1, 0))`,
      [names.schema],
    );
    if (rows[0]?.[0] === true) {
      // A statement of the extended protocol keeps its snapshot until another takes its place; an index would wait for it.
      await guard.run([{ text: "SET LOCAL lock_timeout = 0" }]);
      return;
    }
    await guard.run([{ text: "ROLLBACK" }, { text: `SELECT pg_sleep(${lookAgainSeconds})` }]);
  }
  throw new Fault("store-unavailable", "another node has been changing the tables for too long", {
    effect: "none",
  });
}

/** The oldest code that may open what it is now; null when the data is of a later version, which is left as it is. */
async function expandPatiently(
  connection: Connection,
  names: Names,
  tables: readonly Table[],
  codeVersion: number,
): Promise<number | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await briefly(connection, lockMs, () => expand(connection, names, tables, codeVersion));
    } catch (thrown) {
      if (!isLockedOut(thrown) || attempt === expandAttemptsMax) throw thrown;
    }
  }
}

/** Null when there is no data yet. */
export async function versionOf(connection: Connection, names: Names): Promise<DataVersion | null> {
  if ((await columnsOf(connection, names, metaTable.name)).size === 0) return null;
  const rows = await connection.rows(
    `SELECT name, value FROM ${names.of(metaTable.name)} WHERE name IN ('dataVersion', 'readerMin')`,
  );
  const values = new Map(rows as [string, number][]);
  const data = values.get("dataVersion");
  const readerMin = values.get("readerMin");
  return data === undefined || readerMin === undefined ? null : { data, readerMin };
}

/** Names of the columns the table has; empty when it is missing. */
export async function columnsOf(
  connection: { rows: Connection["rows"] },
  names: Names,
  table: string,
): Promise<ReadonlySet<string>> {
  const rows = await connection.rows(
    `SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped`,
    [names.schema, table],
  );
  return new Set((rows as [string][]).map(([name]) => name));
}

async function expand(
  connection: Connection,
  names: Names,
  tables: readonly Table[],
  codeVersion: number,
): Promise<number | null> {
  const schema = await connection.rows(`SELECT 1 FROM pg_namespace WHERE nspname = $1`, [names.schema]);
  if (schema.length === 0)
    await connection.run([{ text: `CREATE SCHEMA IF NOT EXISTS ${quoted(names.schema)}` }]);
  const found = await versionOf(connection, names);
  if (found !== null) refuseVersion(found, codeVersion);
  if (found !== null && found.data > codeVersion) return null;
  const readerMin = readerMinFor(tables, codeVersion, found);
  const statements: Statement[] = [];
  for (const table of tablesFrom(tables, readerMin)) {
    const present = await columnsOf(connection, names, table.name);
    if (present.size === 0) {
      statements.push({ text: createTable(names, table) });
      // Nobody has rows in it yet, so its indexes cost nothing and come with it.
      for (const index of indexesOf(table))
        statements.push({ text: createIndex(names, table, index, false) });
      continue;
    }
    for (const name of Object.keys(table.columns).filter((column) => !present.has(column))) {
      statements.push(addColumn(names, table, name, codeVersion));
    }
  }
  statements.push(...(await expandWriters(connection, names)), {
    text: `INSERT INTO ${names.of(metaTable.name)} (name, value) VALUES ('storeTime', 0), ('epoch', 0), ${rollCallRows} ON CONFLICT DO NOTHING`,
  });
  await connection.run(statements);
  return readerMin;
}

/** Nodes of the version before leave `called` alone: to them a roll call is one that they do not answer. */
async function expandWriters(connection: Connection, names: Names): Promise<readonly Statement[]> {
  const writers = names.of(writerTable);
  const present = await columnsOf(connection, names, writerTable);
  if (present.size === 0)
    return [
      {
        text: `CREATE TABLE IF NOT EXISTS ${writers} (id text PRIMARY KEY, flush int8 NOT NULL, at int8 NOT NULL, called int8)`,
      },
    ];
  return present.has("called")
    ? []
    : [{ text: `ALTER TABLE ${writers} ADD COLUMN IF NOT EXISTS called int8` }];
}

function addColumn(names: Names, table: Table, name: string, codeVersion: number): Statement {
  if (table.columns[name]?.nullable !== true) {
    throw new Fault(
      "store-version",
      `column ${table.name}.${name} of version ${codeVersion} cannot be added to data that lacks it: it must be nullable`,
    );
  }
  return {
    text: `ALTER TABLE ${names.of(table.name)} ADD COLUMN IF NOT EXISTS ${columnDefinition(table, name)}`,
  };
}

/** What is missing, or was left half built by somebody who died. Outside a transaction, as PostgreSQL demands. */
async function buildIndexes(connection: Connection, names: Names, tables: readonly Table[]): Promise<void> {
  const rows = await connection.rows(
    `SELECT c.relname::text, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1`,
    [names.schema],
  );
  const present = new Map(rows as [string, boolean][]);
  for (const table of tables) {
    for (const index of indexesOf(table)) {
      if (present.get(index.name) !== true)
        await buildIndex(connection, names, table, index, present.has(index.name));
    }
  }
}

async function buildIndex(
  connection: Connection,
  names: Names,
  table: Table,
  index: Index,
  isHalfBuilt: boolean,
): Promise<void> {
  if (isHalfBuilt) {
    await connection.run([{ text: `DROP INDEX CONCURRENTLY IF EXISTS ${names.of(index.name)}` }]);
  }
  await connection.run([{ text: createIndex(names, table, index, true) }]);
}

/** What was given up and is not there any more, because the data was contracted. */
export async function absentIn(
  connection: { rows: Connection["rows"] },
  names: Names,
  tables: readonly Table[],
): Promise<Absent> {
  const absent = new Map<string, ReadonlySet<string>>();
  for (const table of tables.filter(givesUpColumns)) {
    const gone = absentOf(table, await columnsOf(connection, names, table.name));
    if (gone.size > 0) absent.set(table.name, gone);
  }
  return absent;
}

async function recordVersion(
  connection: Connection,
  names: Names,
  codeVersion: number,
  readerMin: number,
): Promise<void> {
  invariant(codeVersion >= 1, `data version is ${codeVersion}; at least 1`);
  await connection.run([
    {
      text: `INSERT INTO ${names.of(metaTable.name)} AS m (name, value) VALUES ('dataVersion', $1::int8), ('readerMin', $2::int8) ON CONFLICT (name) DO UPDATE SET value = greatest(m.value, excluded.value)`,
      values: [String(codeVersion), String(readerMin)],
    },
  ]);
}
