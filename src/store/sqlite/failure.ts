import type BetterSqlite from "better-sqlite3";
import { Fault } from "../../base/index.ts";
import type { Failure } from "./message.ts";

/** What SQLite says when the whole flush is lost, not one statement: disk, memory, or the file itself. */
const fatalCodes =
  /^SQLITE_(FULL|IOERR|NOMEM|CORRUPT|NOTADB|READONLY|CANTOPEN|PROTOCOL|BUSY|LOCKED|INTERRUPT)/;

export function isFatal(thrown: unknown, database: BetterSqlite.Database): boolean {
  return !database.inTransaction || fatalCodes.test(sqliteCode(thrown));
}

/** Whether another flush could fit where this one did not. */
export const isFull = (thrown: unknown): boolean => sqliteCode(thrown).startsWith("SQLITE_FULL");

export function sqliteCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}

export const failureOf = (failed: Failure["failed"], thrown: unknown): Failure => ({
  failed,
  message: thrown instanceof Error ? thrown.message : String(thrown),
  sqliteCode: sqliteCode(thrown),
});

/** The writer's failure as the caller's Fault. */
export function faultOf(failure: Failure): Fault {
  const { message, sqliteCode } = failure;
  const evidence = { sqliteCode };
  switch (failure.failed) {
    case "statement":
      return new Fault("internal", `the store refused a statement: ${message}`, { effect: "none", evidence });
    case "lease-lost":
      return new Fault("lease-lost", message);
    case "disk":
      return new Fault("store-unavailable", `the store cannot be written: ${message}`, {
        effect: "none",
        evidence,
      });
    case "disk-unsure":
      return new Fault("store-unavailable", `the store could not confirm a write: ${message}`, {
        effect: "unknown",
        evidence,
      });
  }
}
