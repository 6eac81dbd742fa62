import type BetterSqlite from "better-sqlite3";
import { existsSync } from "node:fs";
import { Fault, unreachable } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import type { Contraction, ContractOrder, Present } from "../contraction.ts";
import { contractionOf } from "../contraction.ts";
import { dataVersionOf } from "../data-version.ts";
import type { Remnant } from "../given-up.ts";
import { metaTable } from "../own-tables.ts";
import type { Table } from "../table.ts";
import { lockDirectory } from "./directory-lock.ts";
import { dataFile, openReadConnection, openWriteConnection } from "./open.ts";
import { columnsOf, refuseForeignFile, versionOf } from "./schema.ts";
import { quoted } from "./sql.ts";

/**
 * Removes what code of this version has given up, while no node runs on the directory (`store-in-use`). From its first step on older code
 * is refused; a crash leaves the rest for the next time. A column takes as long as its table takes to be written anew.
 */
export function contractSqlite(directory: string, order: ContractOrder): Contraction {
  const { tables, isDry, onRemoved } = order;
  const file = dataFile(directory);
  if (!existsSync(file))
    throw new Fault("not-found", `there is no data in ${directory} (no ${file})`, {
      evidence: { directory },
    });
  const all = [...tablesByName(tables).values()];
  if (isDry) return over(openReadConnection(file), (database) => looked(database, all));
  const lock = lockDirectory(directory);
  try {
    return over(openWriteConnection(file, null), (database) => {
      const found = looked(database, all);
      if (found.remnants.length === 0) return found;
      database
        .prepare(`UPDATE ${metaTable.name} SET value = max(value, ?) WHERE name = 'readerMin'`)
        .run(found.readerMinAfter);
      for (const remnant of found.remnants) {
        database.exec(removal(remnant));
        onRemoved?.(remnant);
      }
      return found;
    });
  } finally {
    lock.release();
  }
}

function over<T>(database: BetterSqlite.Database, body: (database: BetterSqlite.Database) => T): T {
  try {
    refuseForeignFile(database);
    return body(database);
  } finally {
    database.close();
  }
}

function looked(database: BetterSqlite.Database, tables: readonly Table[]): Contraction {
  const found = versionOf(database);
  if (found === null) throw new Fault("not-found", `${database.name} has no data yet`);
  const columns = new Map(tables.map(({ name }) => [name, columnsOf(database, name)]));
  const names = database.prepare<[], { name: string }>("SELECT name FROM sqlite_master WHERE type = 'index'");
  const present: Present = { columns, indexes: new Set(names.all().map(({ name }) => name)) };
  return { ...contractionOf(found, dataVersionOf(tables), tables, present), olderNodes: 0 };
}

function removal({ kind, table, name }: Remnant): string {
  switch (kind) {
    case "index":
      return `DROP INDEX ${quoted(`${table}.${name}`)}`;
    case "column":
      return `ALTER TABLE ${quoted(table)} DROP COLUMN ${quoted(name)}`;
    case "table":
      return `DROP TABLE ${quoted(table)}`;
    default:
      return unreachable(kind);
  }
}
