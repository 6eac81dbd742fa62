import { Fault } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { dataVersionOf } from "../data-version.ts";
import type { StoreFill } from "../fill.ts";
import { isCarried } from "../fill.ts";
import { tablesFrom } from "../given-up.ts";
import { metaTable } from "../own-tables.ts";
import type { Row, Table, Value } from "../table.ts";
import { valuesOf } from "../transaction.ts";
import type { Parameter, Statement } from "./connection.ts";
import { Connection } from "./connection.ts";
import { encodeIndexed, encodeText, indexedColumns, longTexts } from "./encode.ts";
import { sqlState, unavailable } from "./failure.ts";
import type { PostgresConnection } from "./options.ts";
import { schemaDefault } from "./options.ts";
import { prepareSchema } from "./schema.ts";
import { Names, fillStatement } from "./sql.ts";

/**
 * Fills a schema that has no data yet, in one transaction: what is put is there from `finish` on, or never. Rejects with `store-in-use`
 * when something is there.
 */
export async function openPostgresFill(
  options: PostgresConnection,
  tables: readonly Table[],
): Promise<StoreFill> {
  const names = new Names(options.schema ?? schemaDefault);
  const version = dataVersionOf(tables);
  const all = [...tablesByName(tables).values()];
  // Data that begins here is without what was given up.
  const made = tablesFrom(all, version);
  let connection: Connection | null = null;
  try {
    await prepareSchema(() => Connection.open(options), names, all, version);
    connection = await Connection.open(options);
    await connection.run([
      { text: "BEGIN" },
      { text: "SELECT set_config('idle_in_transaction_session_timeout', '0', true)" },
    ]);
    await refuseData(connection, names, made);
  } catch (thrown) {
    await connection?.close();
    throw unavailable(thrown);
  }
  return fillOver(connection, names, new Map(made.map((table) => [table.name, table])));
}

function fillOver(connection: Connection, names: Names, made: ReadonlyMap<string, Table>): StoreFill {
  let isOpen = true;
  const end = async () => {
    isOpen = false;
    await connection.close();
  };
  return {
    put: async ({ name }, rows) => {
      const table = made.get(name);
      if (table === undefined) return;
      const carried = rows.filter((row) => isCarried(table, row));
      try {
        await connection.run(carried.map((row) => statementOf(names, table, row)));
      } catch (thrown) {
        throw new Fault("store-unavailable", `filling ${table.name} failed`, {
          effect: "none",
          cause: thrown,
          evidence: { sqlState: sqlState(thrown) },
        });
      }
    },
    finish: async () => {
      try {
        await connection.run([{ text: "COMMIT" }]);
      } catch (thrown) {
        throw unavailable(thrown, "unknown");
      } finally {
        await end();
      }
    },
    // The end of the connection takes back what is not committed.
    abandon: async () => {
      if (isOpen) await end();
    },
  };
}

function statementOf(names: Names, table: Table, row: Row): Statement {
  const columns = [...Object.keys(table.columns), ...(table.shape === "log" ? ["cursor"] : [])];
  const indexed = indexedColumns(table);
  const values = valuesOf(row, columns);
  const parameters = values.map((value, i) => parameterOf(value, indexed.has(columns[i] ?? "")));
  return {
    text: fillStatement(names, table, columns),
    values: [...parameters, longTexts(columns, indexed, values)],
    isKept: true,
  };
}

function parameterOf(value: Value, isIndexed: boolean): Parameter {
  if (typeof value === "string") return isIndexed ? encodeIndexed(value) : encodeText(value);
  if (typeof value === "number") return String(value);
  return value === null ? null : Buffer.from(value);
}

async function refuseData(connection: Connection, names: Names, tables: readonly Table[]): Promise<void> {
  for (const table of tables) {
    if (table.name === metaTable.name) continue;
    const rows = await connection.rows(`SELECT 1 FROM ${names.of(table.name)} LIMIT 1`);
    if (rows.length > 0)
      throw new Fault("store-in-use", `schema ${names.schema} of this database has data already`);
  }
}
