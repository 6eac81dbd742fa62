import { Fault } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { dataVersionOf, refuseVersion } from "../data-version.ts";
import type { ReadStore, Snapshot } from "../store.ts";
import type { Table } from "../table.ts";
import { Connection } from "./connection.ts";
import { unavailable } from "./failure.ts";
import type { PostgresConnection } from "./options.ts";
import { schemaDefault } from "./options.ts";
import { Reader } from "./reader.ts";
import { versionOf } from "./schema.ts";
import { Names } from "./sql.ts";

/**
 * Reads a database without becoming one of its nodes, also beside running ones and from a standby, and never changing anything.
 * Each read sees what was committed when it began. Rejects with Fault `not-found`, `store-version` or `store-unavailable`.
 */
export async function openReadOnlyPostgres(
  options: PostgresConnection,
  tables: readonly Table[],
): Promise<ReadStore> {
  tablesByName(tables);
  const names = new Names(options.schema ?? schemaDefault);
  await refuseUnreadable(options, names, tables);
  return readsOf(new Reader({ ...options, readConnections: 1 }, names));
}

/** The database as it is at this moment, in a connection of its own for as long as it is open. */
export async function openPostgresSnapshot(options: PostgresConnection, names: Names): Promise<Snapshot> {
  const reader = new Reader({ ...options, readConnections: 1 }, names);
  try {
    await reader.hold();
  } catch (thrown) {
    await reader.close();
    throw unavailable(thrown);
  }
  return { ...readsOf(reader), scanLog: (table, page) => reader.scanLog(table, page) };
}

function readsOf(reader: Reader): ReadStore {
  return {
    get: (table, key) => reader.get(table, key),
    list: (table, listOptions) => reader.list(table, listOptions),
    getLogged: (table, id) => reader.getLogged(table, id),
    listById: (table, prefix, limit) => reader.listById(table, prefix, limit),
    listLog: (table, logOptions) => reader.listLog(table, logOptions),
    close: () => void reader.close(),
  };
}

async function refuseUnreadable(
  options: PostgresConnection,
  names: Names,
  tables: readonly Table[],
): Promise<void> {
  let connection: Connection | null = null;
  try {
    connection = await Connection.open(options);
    const version = await versionOf(connection, names);
    if (version === null)
      throw new Fault("not-found", `there is no data in schema ${names.schema} of this database`);
    refuseVersion(version, dataVersionOf(tables));
  } catch (thrown) {
    throw unavailable(thrown);
  } finally {
    await connection?.close();
  }
}
