/**
 * What a commit costs: CPU per commit (both threads), commits per second and waiting time, at 64 waiters and at one, beside
 * what bare better-sqlite3 needs for the same rows on one thread in the same run (the floor: no thread, no waiting, no verdicts).
 *
 *     node bench/store.ts [--seconds 2] [--directory /some/disk] [--postgres]
 *
 * With --postgres also the store on a PostgreSQL of its own (fsync on, in the system's temporary directory): directly, behind
 * PgBouncer in transaction mode, and two nodes at once.
 */
import BetterSqlite from "better-sqlite3";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/index.ts";
import { PgBouncer, Postgres } from "../test/fixtures/postgres.ts";
import type { Store, Transaction } from "../src/store/index.ts";
import {
  append,
  blob,
  blobOrNull,
  insert,
  integer,
  keyedTable,
  logTable,
  loadPostgres,
  openMemoryStore,
  openSqliteStore,
  text,
  textOrNull,
} from "../src/store/index.ts";

const { values: given } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    directory: { type: "string", default: tmpdir() },
    postgres: { type: "boolean", default: false },
  },
});
const seconds = Number(given.seconds);

/** Shaped like a ledger's entry and a claim: about 800 bytes in two writes. */
const entries = logTable({
  name: "entry",
  columns: {
    id: text,
    tenant: text,
    call: textOrNull,
    at: integer,
    leaf: text,
    hash: blob,
    payload: blobOrNull,
  },
  id: "id",
  partition: "tenant",
});
const claims = keyedTable({
  name: "claim",
  columns: { tenant: text, run: text, step: text, call: text },
  key: ["tenant", "run", "step"],
});
const tables = [entries, claims];

const leaf = JSON.stringify({
  v: 1,
  kind: "outcome",
  tenant: "default",
  principals: ["agt_01jd2x3y4z5a6b7c8d9e0f1g2h"],
  method: "tools/call",
  subject: "srv_01jd2x3y4z5a6b7c8d9e0f1g2h/echo",
  versions: { policy: "b94d27b9934d3e08a52e52d7da7dabfa", pin: "c2fd5a8f44c1c7d4b0e29c8d7b4a3f2e" },
  outcome: { kind: "succeeded", isError: false },
  commitments: { arguments: "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=" },
});
const hash = new Uint8Array(32).fill(7);
const payload = new Uint8Array(256).fill(9);

let serial = 0;
const nextId = (): string => `call_01jd2x3y4z${String(serial++).padStart(16, "0")}`;

const entryRow = (id: string) => ({
  id: `${id}:0`,
  tenant: "default",
  call: id,
  at: 1_767_225_600_000 + serial,
  leaf,
  hash,
  payload,
});

function transactionOf(writes: 1 | 2): Transaction {
  const id = nextId();
  const entry = append(entries, entryRow(id));
  if (writes === 1) return [entry];
  return [insert(claims, { tenant: "default", run: id, step: "step-1", call: id }), entry];
}

interface Sample {
  readonly commits: number;
  readonly perSecond: number;
  readonly cpuMicros: number;
  /** Of these, on the main thread; null = there is only one thread. */
  readonly mainMicros: number | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perFlush: number;
}

async function measure(store: Store, waiters: number, writes: 1 | 2): Promise<Sample> {
  const waits: number[] = [];
  const runFor = async (untilMs: number): Promise<void> => {
    const one = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        const startedMs = performance.now();
        await store.commit(transactionOf(writes));
        waits.push(performance.now() - startedMs);
      }
    };
    await Promise.all(Array.from({ length: waiters }, one));
  };
  await runFor(performance.now() + 300); // warm-up
  waits.length = 0;
  const before = store.stats();
  const cpu = process.cpuUsage();
  const mainCpu = process.threadCpuUsage();
  const startedMs = performance.now();
  await runFor(startedMs + seconds * 1000);
  const used = process.cpuUsage(cpu);
  const mainUsed = process.threadCpuUsage(mainCpu);
  const elapsedMs = performance.now() - startedMs;
  const after = store.stats();
  waits.sort((a, b) => a - b);
  return {
    commits: waits.length,
    perSecond: (waits.length / elapsedMs) * 1000,
    cpuMicros: (used.user + used.system) / waits.length,
    mainMicros: (mainUsed.user + mainUsed.system) / waits.length,
    p50Ms: waits[Math.floor(waits.length * 0.5)] ?? 0,
    p99Ms: waits[Math.floor(waits.length * 0.99)] ?? 0,
    perFlush: (after.transactions - before.transactions) / (after.flushes - before.flushes),
  };
}

/** Bare better-sqlite3 on this thread: `batch` transactions' rows in one SQL transaction, prepared statements, same pragmas. */
function measureBare(directory: string, batch: number, writes: 1 | 2): Sample {
  const database = new BetterSqlite(join(directory, `bare-${batch}-${writes}.db`));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma("wal_autocheckpoint = 4096");
  database.exec(
    `CREATE TABLE entry ("cursor" INTEGER PRIMARY KEY, id TEXT NOT NULL, tenant TEXT NOT NULL, call TEXT, at INTEGER NOT NULL, leaf TEXT NOT NULL, hash BLOB NOT NULL, payload BLOB) STRICT;
     CREATE UNIQUE INDEX entry_id ON entry (id); CREATE INDEX entry_tenant ON entry (tenant);
     CREATE TABLE claim (tenant TEXT, run TEXT, step TEXT, call TEXT NOT NULL, PRIMARY KEY (tenant, run, step)) STRICT, WITHOUT ROWID`,
  );
  const entry = database.prepare(
    "INSERT INTO entry (id, tenant, call, at, leaf, hash, payload) VALUES (?,?,?,?,?,?,?)",
  );
  const claim = database.prepare("INSERT INTO claim VALUES (?,?,?,?)");
  const transaction = database.transaction(() => {
    for (let i = 0; i < batch; i++) {
      const id = nextId();
      const row = entryRow(id);
      if (writes === 2) claim.run("default", id, "step-1", id);
      entry.run(row.id, row.tenant, row.call, row.at, row.leaf, row.hash, row.payload);
    }
  });
  const run = (untilMs: number): number => {
    let flushes = 0;
    for (; performance.now() < untilMs; flushes++) transaction.immediate();
    return flushes;
  };
  run(performance.now() + 300);
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  const flushes = run(startedMs + seconds * 1000);
  const used = process.cpuUsage(cpu);
  const elapsedMs = performance.now() - startedMs;
  database.close();
  return {
    commits: flushes * batch,
    perSecond: ((flushes * batch) / elapsedMs) * 1000,
    cpuMicros: (used.user + used.system) / (flushes * batch),
    mainMicros: null,
    p50Ms: elapsedMs / flushes,
    p99Ms: Number.NaN,
    perFlush: batch,
  };
}

function print(name: string, sample: Sample): void {
  const columns = [
    name.padEnd(44),
    `${Math.round(sample.perSecond)}/s`.padStart(10),
    `${sample.cpuMicros.toFixed(1)} us CPU`.padStart(13),
    (sample.mainMicros === null ? "" : `(main ${sample.mainMicros.toFixed(1)})`).padStart(13),
    `p50 ${sample.p50Ms.toFixed(2)} ms`.padStart(13),
    `p99 ${sample.p99Ms.toFixed(2)} ms`.padStart(13),
    `${sample.perFlush.toFixed(1)} per flush`.padStart(16),
  ];
  console.log(columns.join(" "));
}

async function measurePostgres(): Promise<void> {
  const cluster = await Postgres.start();
  const bouncer = await PgBouncer.start(cluster);
  const { openPostgresStore } = await loadPostgres();
  const opened: Store[] = [];
  const open = async (url: string, pooler: "none" | "transaction" = "none"): Promise<Store> => {
    const store = openPostgresStore({ connection: { url, pooler }, tables, clock: systemClock });
    opened.push(store);
    await store.start();
    return store;
  };
  try {
    const url = await cluster.createDatabase();
    const [direct, pooled] = [await open(url), await open(bouncer.through(url), "transaction")];
    for (const [waiters, writes] of [
      [64, 1],
      [64, 2],
      [1000, 2],
      [1, 1],
    ] as const) {
      const what = `${waiters} waiting, ${writes} write${writes === 1 ? "" : "s"}`;
      print(`postgres store: ${what}`, await measure(direct, waiters, writes));
      print(`postgres store, PgBouncer: ${what}`, await measure(pooled, waiters, writes));
    }
    const other = await open(url);
    const both = await Promise.all([measure(direct, 500, 2), measure(other, 500, 2)]);
    for (const [i, sample] of both.entries())
      print(`postgres, node ${i + 1} of 2: 500 waiting, 2 writes`, sample);
  } finally {
    for (const store of opened) await store.stop();
    await bouncer.stop();
    await cluster.stop();
  }
}

const directory = mkdtempSync(join(given.directory, "signalbox-bench-"));
try {
  console.log(
    `store: node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${seconds} s each, ${directory}`,
  );
  const memory = openMemoryStore({ tables, clock: systemClock });
  await memory.start();
  const sqlite = openSqliteStore({ directory: join(directory, "store"), tables, clock: systemClock });
  await sqlite.start();
  for (const [waiters, writes] of [
    [64, 1],
    [64, 2],
    [512, 2],
    [1000, 2],
    [1, 1],
  ] as const) {
    const what = `${waiters} waiting, ${writes} write${writes === 1 ? "" : "s"}`;
    print(`bare better-sqlite3, one thread: ${what}`, measureBare(directory, waiters, writes));
    print(`sqlite store: ${what}`, await measure(sqlite, waiters, writes));
  }
  print("memory store: 64 waiting, 2 writes", await measure(memory, 64, 2));
  if (given.postgres) await measurePostgres();
  await sqlite.stop();
  await memory.stop();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
