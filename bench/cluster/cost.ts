import { cpus } from "node:os";
import type { Database, DatabaseMark, Turn } from "./database.ts";
import { cpuMsOf, machineMs, mainThreadMsOf, postgresPssMiB, rssMiBOf } from "./process-usage.ts";

/** What a load took of everything, between its beginning and its end. */
export interface Cost {
  readonly ms: number;
  /** CPU of each group of processes, in cores. */
  readonly cores: Readonly<Record<string, number>>;
  /** The busiest main thread among the nodes, in cores: at 1 its event loop is full. */
  readonly busiestMainThread: number;
  readonly postgresCores: number;
  /** By kind of process, in cores. */
  readonly postgres: Readonly<Record<string, number>>;
  /** What everybody else on the machine took. */
  readonly othersCores: number;
  readonly walBytes: number;
  readonly walRecords: number;
  readonly walWrites: number;
  readonly walSyncs: number;
  readonly walSyncMs: number;
  readonly flushes: number;
  readonly rowsWritten: number;
  readonly databaseBytes: number;
  /** Of each node, and of all of PostgreSQL, at the end. */
  readonly nodesRssMiB: readonly number[];
  readonly postgresMiB: number;
  readonly turn: Turn;
  /** What was used up first. */
  readonly saturated: string;
}

/** Above this share of what there is of it, something counts as used up: the rest is lost between those who share it. */
const fullFrom = 0.85;

/** `groups`: the processes by what they are; those called `nodes` have a main thread that counts. */
export async function costOf<T>(
  database: Database,
  groups: Readonly<Record<string, readonly number[]>>,
  load: () => Promise<T>,
): Promise<{ readonly cost: Cost; readonly result: T }> {
  const nodes = groups["nodes"] ?? [];
  const mark = async () => ({
    database: await database.mark(),
    cpuMs: Object.entries(groups).map(([, pids]) => pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0)),
    mainMs: nodes.map(mainThreadMsOf),
    machineMs: machineMs(),
    ownMs: ownMs(),
    atMs: performance.now(),
  });
  const watched = await database.watchTurn();
  const from = await mark();
  const result = await load();
  const to = await mark();
  const turn = await watched();
  const ms = to.atMs - from.atMs;
  const names = Object.keys(groups);
  const cores = Object.fromEntries(
    names.map((name, i) => [name, ((to.cpuMs[i] ?? 0) - (from.cpuMs[i] ?? 0)) / ms]),
  );
  const postgres = Object.fromEntries(
    Object.entries(to.database.cpuMs).map(([kind, used]) => [
      kind,
      (used - (from.database.cpuMs[kind] ?? 0)) / ms,
    ]),
  );
  const sum = (of: Readonly<Record<string, number>>) => Object.values(of).reduce((a, b) => a + b, 0);
  const ours = sum(cores) + sum(postgres) + (to.ownMs - from.ownMs) / ms;
  const used = (to.machineMs - from.machineMs) / ms;
  const grown = (of: Exclude<keyof DatabaseMark, "cpuMs">) => to.database[of] - from.database[of];
  const found = {
    ms,
    cores,
    busiestMainThread: Math.max(0, ...to.mainMs.map((each, i) => (each - (from.mainMs[i] ?? 0)) / ms)),
    postgresCores: sum(postgres),
    postgres,
    // Load generators are gone by now: what they took is known to whoever started them, and is in here until it is taken out.
    othersCores: Math.max(0, used - ours),
    walBytes: grown("walBytes"),
    walRecords: grown("walRecords"),
    walWrites: grown("walWrites"),
    walSyncs: grown("walSyncs"),
    walSyncMs: grown("walSyncMs"),
    flushes: grown("flushes"),
    rowsWritten: grown("rowsWritten"),
    databaseBytes: grown("bytes"),
    nodesRssMiB: nodes.map(rssMiBOf),
    postgresMiB: postgresPssMiB(database.processId),
    turn,
  };
  return { result, cost: { ...found, saturated: saturated(found, used) } };
}

/** Load generators that have ended were some of the others. */
export const withLoad = (cost: Cost, loadCores: number): Cost => ({
  ...cost,
  cores: { ...cost.cores, load: loadCores },
  othersCores: Math.max(0, cost.othersCores - loadCores),
});

function saturated(cost: Omit<Cost, "saturated">, usedCores: number): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const full: string[] = [];
  const { turn } = cost;
  if (usedCores >= fullFrom * cpus().length)
    full.push(`the machine's ${cpus().length} cores (${percent(usedCores / cpus().length)})`);
  if (cost.busiestMainThread >= fullFrom)
    full.push(`a node's main thread (${percent(cost.busiestMainThread)})`);
  if (turn.isHeld >= fullFrom) {
    const of = (share: number) => percent(share / turn.isHeld);
    full.push(
      `the turn (held ${percent(turn.isHeld)}; of that in the database ${of(turn.inDatabase)}, for the node ${of(turn.forNode)}, for the WAL ${of(turn.forWal)})`,
    );
  }
  return full.length === 0 ? "nothing: each waits for the others" : full.join("; ");
}

function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
