import BetterSqlite from "better-sqlite3";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { systemClock } from "../../base/index.ts";
import { contractSuite, tables1, tables2 } from "../contract.suite.ts";
import { contractSqlite, openSqliteFill, openSqliteStore } from "./index.ts";

const directories: string[] = [];
const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-contract-"));
  directories.push(directory);
  return directory;
};
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function names(directory: string, sql: string, ...values: string[]): readonly string[] {
  const database = new BetterSqlite(join(directory, "signalbox.db"), { readonly: true });
  try {
    return database
      .prepare<string[], { name: string }>(sql)
      .all(...values)
      .map(({ name }) => name);
  } finally {
    database.close();
  }
}

contractSuite("sqlite", async () => {
  const directory = newDirectory();
  return {
    open: async (tables) => {
      const store = openSqliteStore({ directory, tables, clock: systemClock });
      await store.start();
      return store;
    },
    contract: async (order) => contractSqlite(directory, order),
    columns: async (table) => names(directory, "SELECT name FROM pragma_table_info(?)", table),
    indexes: async () => names(directory, "SELECT name FROM sqlite_master WHERE type = 'index'"),
    openFill: async (tables) => openSqliteFill(directory, tables),
    remove: async () => rmSync(directory, { recursive: true, force: true }),
  };
});

it("what is given up is not removed while a node works on the directory, but can be looked at", async () => {
  const directory = newDirectory();
  const order = { tables: tables2, isDry: false };
  expect(() => contractSqlite(directory, order)).toThrow(/there is no data/);
  const first = openSqliteStore({ directory, tables: tables1, clock: systemClock });
  await first.start();
  await first.stop();
  const node = openSqliteStore({ directory, tables: tables2, clock: systemClock });
  await node.start();
  expect(contractSqlite(directory, { ...order, isDry: true }).remnants).toHaveLength(6);
  expect(() => contractSqlite(directory, order)).toThrow(/in use/);
  await node.stop();
  expect(contractSqlite(directory, order).remnants).toHaveLength(6);
});
