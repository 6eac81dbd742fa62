import { existsSync } from "node:fs";
import { Fault } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { dataVersionOf, refuseVersion } from "../data-version.ts";
import type { ReadStore, Snapshot } from "../store.ts";
import type { Table } from "../table.ts";
import { dataFile, openReadConnection } from "./open.ts";
import { Reader } from "./reader.ts";
import { refuseForeignFile, versionOf } from "./schema.ts";

/**
 * Reads a data directory without taking it: also while a node runs on it, and never changing anything in it. Each read sees
 * what was durable when it began. Throws Fault `not-found`, `store-version` or `store-unavailable`.
 */
export function openReadOnlySqlite(directory: string, tables: readonly Table[]): ReadStore {
  tablesByName(tables);
  const file = dataFile(directory);
  if (!existsSync(file)) {
    throw new Fault("not-found", `there is no data in ${directory} (no ${file})`, {
      evidence: { directory },
    });
  }
  return readsOf(openReader(file, tables));
}

/** The same as it is at this moment, for as long as it is open. */
export function openSqliteSnapshot(directory: string, tables: readonly Table[]): Snapshot {
  const reader = openReader(dataFile(directory), tables);
  try {
    reader.hold();
  } catch (thrown) {
    reader.close();
    throw cannotRead(dataFile(directory), thrown);
  }
  return { ...readsOf(reader), scanLog: async (table, page) => reader.scanLog(table, page) };
}

function readsOf(reader: Reader): ReadStore {
  return {
    get: async (table, key) => reader.get(table, key),
    list: async (table, options) => reader.list(table, options),
    getLogged: async (table, id) => reader.getLogged(table, id),
    listById: async (table, prefix, limit) => reader.listById(table, prefix, limit),
    listLog: async (table, options) => reader.listLog(table, options),
    close: () => reader.close(),
  };
}

function openReader(file: string, tables: readonly Table[]): Reader {
  const database = openedOrFault(file);
  try {
    refuseForeignFile(database);
    const version = versionOf(database);
    if (version !== null) refuseVersion(version, dataVersionOf(tables));
    return new Reader(database);
  } catch (thrown) {
    database.close();
    if (thrown instanceof Fault) throw thrown;
    throw cannotRead(file, thrown);
  }
}

function openedOrFault(file: string): ReturnType<typeof openReadConnection> {
  try {
    return openReadConnection(file);
  } catch (thrown) {
    throw cannotRead(file, thrown);
  }
}

const cannotRead = (file: string, cause: unknown): Fault =>
  new Fault("store-unavailable", `${file} cannot be read`, { effect: "none", cause });
