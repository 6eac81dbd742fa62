import BetterSqlite from "better-sqlite3";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, makeDirectories } from "../../base/index.ts";
import { sqliteCode } from "./failure.ts";

/** Held while a store is open on the directory. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Makes the directory (only its owner may enter) and takes it for this store. The lock is SQLite's exclusive lock on an empty
 * file of its own: the system drops it when the process dies, however it dies, and it also keeps a second store of the same
 * process out. Nobody in this process may open that file by other means: closing it would drop the lock (POSIX).
 */
export function lockDirectory(directory: string): DirectoryLock {
  const holderFile = join(directory, "signalbox.pid");
  let lock: BetterSqlite.Database | null = null;
  try {
    makeDirectories(directory, 0o700);
    lock = new BetterSqlite(join(directory, "signalbox.lock"), { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
    writeFileSync(holderFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (thrown) {
    lock?.close();
    if (sqliteCode(thrown).startsWith("SQLITE_BUSY")) throw inUse(directory, holderFile);
    throw new Fault("store-unavailable", `${directory} cannot be used`, { effect: "none", cause: thrown });
  }
  const held = lock;
  return { release: () => held.close() };
}

function inUse(directory: string, holderFile: string): Fault {
  const pid = holderOf(holderFile);
  const by =
    pid === null ? "another process" : pid === process.pid ? `this process (pid ${pid})` : `pid ${pid}`;
  return new Fault("store-in-use", `${directory} is in use by ${by}`, { evidence: { directory, pid } });
}

/** Null when the holder has not written its number yet. */
function holderOf(file: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
    return Number.isNaN(pid) ? null : pid;
  } catch {
    return null;
  }
}
