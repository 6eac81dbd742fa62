import BetterSqlite from "better-sqlite3";
import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { Fault } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { dataVersionOf } from "../data-version.ts";
import type { StoreFill } from "../fill.ts";
import { isCarried } from "../fill.ts";
import { tablesFrom } from "../given-up.ts";
import type { Row, Table } from "../table.ts";
import { valuesOf } from "../transaction.ts";
import { lockDirectory } from "./directory-lock.ts";
import { dataFile } from "./open.ts";
import { prepareSchema } from "./schema.ts";
import { fillStatement } from "./sql.ts";

/**
 * Fills a directory that has no data yet, and holds it meanwhile. Nothing is synced before `finish`, which is what makes it quick: what
 * a crash leaves behind is not opened by anybody, because whoever fills does so beside the place that it is meant for.
 */
export function openSqliteFill(directory: string, tables: readonly Table[]): StoreFill {
  const file = dataFile(directory);
  const lock = lockDirectory(directory);
  if (existsSync(file)) {
    lock.release();
    throw new Fault("store-in-use", `${directory} has data already`, { evidence: { directory } });
  }
  const byName = tablesByName(tables);
  const database = new BetterSqlite(file);
  database.pragma("journal_mode = MEMORY");
  database.pragma("synchronous = OFF");
  const version = dataVersionOf(tables);
  prepareSchema(database, [...byName.values()], version);
  // Data that begins here is without what was given up.
  const made = new Map(tablesFrom([...byName.values()], version).map((table) => [table.name, table]));
  const statements = new Map<string, BetterSqlite.Statement>();
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    database.close();
    lock.release();
  };
  return {
    put: async ({ name }: Table, rows: readonly Row[]) => {
      const table = made.get(name);
      if (table === undefined) return;
      const columns = columnsIn(table);
      let statement = statements.get(table.name);
      if (statement === undefined)
        statements.set(table.name, (statement = database.prepare(fillStatement(table, columns))));
      const fill = statement;
      try {
        database.transaction(() => {
          for (const row of rows) if (isCarried(table, row)) fill.run(valuesOf(row, columns));
        })();
      } catch (thrown) {
        throw new Fault("store-unavailable", `filling ${table.name} failed`, {
          effect: "none",
          cause: thrown,
        });
      }
    },
    finish: async () => {
      close();
      syncFile(file);
      syncFile(directory);
    },
    abandon: async () => close(),
  };
}

const columnsIn = (table: Table): readonly string[] => [
  ...Object.keys(table.columns),
  ...(table.shape === "log" ? ["cursor"] : []),
];

function syncFile(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
