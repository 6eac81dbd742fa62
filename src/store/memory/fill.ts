import { invariant } from "../../base/index.ts";
import type { StoreFill } from "../fill.ts";
import { isCarried } from "../fill.ts";
import type { Snapshot } from "../store.ts";
import type { Columns, LogTable, Row } from "../table.ts";
import type { MemoryDatabase } from "./database.ts";

/** Fills an empty database. What was put stays when it is abandoned: nobody opens such a database. */
export function openMemoryFill(database: MemoryDatabase): StoreFill {
  return {
    put: async (table, rows) => {
      for (const row of rows.filter((each) => isCarried(table, each))) {
        if (table.shape === "log") database.logTable(table.name).adopt(row);
        else
          invariant(
            database.keyedTable(table.name).insert(row) !== null,
            `${table.name} has that row already`,
          );
      }
    },
    finish: async () => undefined,
    abandon: async () => undefined,
  };
}

/** The rows of a database as they are now; it may go on changing. */
export function snapshotOf(database: MemoryDatabase): Snapshot {
  const copy = database.copy();
  return {
    get: async (table, key) => copy.keyedTable(table.name).get(key as Row) as never,
    list: async (table, options) => copy.keyedTable(table.name).list(options) as never,
    getLogged: async (table, id) => copy.logTable(table.name).get(id) as never,
    listById: async (table, prefix, limit) => copy.logTable(table.name).listById(prefix, limit) as never,
    listLog: async <C extends Columns>(table: LogTable<C>, options: Parameters<Snapshot["listLog"]>[1]) =>
      copy.logTable(table.name).listLog(options) as never,
    scanLog: async (table, { after, limit }) => copy.logTable(table.name).scan(after, limit),
    close: () => undefined,
  };
}
