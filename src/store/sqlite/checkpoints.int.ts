import type BetterSqlite from "better-sqlite3";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../base/index.ts";
import { Checkpoints } from "./checkpoints.ts";
import { dataFile, openWriteConnection } from "./open.ts";

const rowsPerRound = 256;
const rounds = 20;
const bytesPerRow = 4_000;
const patienceMs = 20_000;

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

function opened(): { database: BetterSqlite.Database; checkpoints: Checkpoints; logBytes: () => number } {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-checkpoints-"));
  const file = dataFile(directory);
  const database = openWriteConnection(file, null);
  database.pragma("wal_autocheckpoint = 0"); // so that nobody else does it
  database.exec("CREATE TABLE item (id INTEGER PRIMARY KEY, data BLOB)");
  const checkpoints = new Checkpoints(database, systemClock, rowsPerRound);
  open.push(async () => {
    await checkpoints.stop();
    database.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { database, checkpoints, logBytes: () => statSync(`${file}-wal`).size };
}

/** As the writer does: a flush, and then it tells. */
function write(database: BetterSqlite.Database, checkpoints: Checkpoints): void {
  const insert = database.prepare("INSERT INTO item (data) VALUES (zeroblob(?))");
  database.transaction(() => {
    for (let i = 0; i < rowsPerRound; i++) insert.run(bytesPerRow);
  })();
  checkpoints.wrote(rowsPerRound, 0);
}

async function settled(checkpoints: Checkpoints): Promise<void> {
  for (const until = Date.now() + patienceMs; checkpoints.isCopying; await setImmediate()) {
    if (Date.now() > until) throw new Error("the copying does not end");
  }
}

describe("checkpoints beside the writer", () => {
  it("let the log begin anew, so that it stays short however much is written", async () => {
    const { database, checkpoints, logBytes } = opened();
    for (let i = 0; i < rounds; i++) {
      write(database, checkpoints);
      await settled(checkpoints);
    }
    expect(logBytes()).toBeLessThan((rounds * rowsPerRound * bytesPerRow) / 4);
    expect(database.prepare("SELECT count(*) AS n FROM item").get()).toEqual({ n: rounds * rowsPerRound });
  });

  it("end while one is under way, and start none after that", async () => {
    const { database, checkpoints } = opened();
    write(database, checkpoints);
    expect(checkpoints.isCopying).toBe(true);
    await checkpoints.stop();
    await settled(checkpoints);
    write(database, checkpoints);
    expect(checkpoints.isCopying).toBe(false);
  });
});
