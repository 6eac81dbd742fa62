import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { join } from "node:path";
import { built } from "../built.ts";
import type { LoadReport } from "../load.ts";
import { spawnLoad } from "../load.ts";
import { row } from "../runs/machine.ts";
import { Child } from "../runs/child.ts";
import type { Mark } from "../runs/steps-programs.ts";
import type { Cost } from "./cost.ts";
import { costOf, withLoad } from "./cost.ts";
import { Database } from "./database.ts";
import type { Nodes } from "./nodes.ts";
import { Nodes as Cluster } from "./nodes.ts";
import { callRequests } from "./requests.ts";
import type { Postgres } from "../../test/fixtures/postgres.ts";

export interface LoadWishes {
  readonly nodeCounts: readonly number[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** One load on so many nodes. */
export interface Sample {
  readonly what: "read" | "effect" | "step";
  readonly nodes: number;
  /** For each node. */
  readonly inFlight: number;
  readonly operations: number;
  readonly perSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** The ruler in the same minute: see the tables. */
  readonly rulerPerSecond: number;
  readonly cost: Cost;
}

/** Connections to each node. */
const connections = 64;
/** Runs with a step under way at each node, over HTTP. */
const runsInFlight = 250;
const tools = { read: "files__read_file", effect: "files__write_file" } as const;

/** Governed calls, and local steps by the SDK, on 1, 2 and 4 nodes of the built package; each beside the byte-copy proxy. */
export async function calls(
  cluster: Postgres,
  workspace: (name: string) => string,
  wishes: LoadWishes,
): Promise<readonly Sample[]> {
  const echo = await startServer("echo");
  const copy = await startServer("copy", String(echo.port));
  const samples: Sample[] = [];
  try {
    for (const count of wishes.nodeCounts) {
      const database = await Database.on(cluster);
      const nodes = await Cluster.start({
        directory: join(workspace(`calls-${count}`)),
        database: database.url,
        count,
        tool: tools.read,
        yaml: `servers: { files: { url: "http://127.0.0.1:${echo.port}/mcp", era: modern, concurrencyMax: 1000, tools: { read_file: { class: read } } } }`,
      });
      try {
        const at = { nodes, database, echo, copy, wishes };
        for (const what of ["read", "effect"] as const) samples.push(await measureCalls(at, what));
        samples.push(await measureSteps(at));
      } finally {
        await nodes.stop();
      }
      await database.drop();
    }
  } finally {
    for (const { child } of [echo, copy]) child.disconnect();
  }
  return samples;
}

interface Stage {
  readonly nodes: Nodes;
  readonly database: Database;
  readonly echo: Server;
  readonly copy: Server;
  readonly wishes: LoadWishes;
}

async function measureCalls(
  { nodes, database, echo, copy, wishes }: Stage,
  what: "read" | "effect",
): Promise<Sample> {
  const load = (
    port: number,
    tool: string,
    token: string,
    seconds: number,
    caller = 0,
  ): Promise<LoadReport> =>
    spawnLoad({
      host: "127.0.0.1",
      port,
      connections,
      requests: callRequests(tool, token, caller),
      warmupMs: 0,
      durationMs: seconds * 1000,
      countMax: 1_000_000,
    });
  const all = (seconds: number) =>
    Promise.all(
      nodes.all.map(({ port }, caller) => load(port, tools[what], nodes.agentToken, seconds, caller)),
    );
  const ruler = await load(copy.port, "read_file", "", Math.min(2, wishes.seconds));
  await all(wishes.warmUpSeconds);
  const groups = { nodes: nodes.pids, upstream: [echo.child.pid ?? 0] };
  const { cost, result } = await costOf(database, groups, () => all(wishes.seconds));
  for (const { ok, answers, otherBodies } of result)
    if (ok !== answers || answers === 0) throw new Error(`not every answer was 200: ${otherBodies.join()}`);
  const operations = sumOf(result.map(({ answers }) => answers));
  return {
    what,
    nodes: nodes.all.length,
    inFlight: connections,
    operations,
    perSecond: sumOf(result.map(({ perSecond }) => perSecond)),
    p50Ms: Math.max(...result.map(({ latencyMs }) => latencyMs.p50)),
    p99Ms: Math.max(...result.map(({ latencyMs }) => latencyMs.p99)),
    rulerPerSecond: ruler.perSecond,
    cost: withLoad(cost, sumOf(result.map(({ generatorCpuMs }) => generatorCpuMs)) / cost.ms),
  };
}

/** Local steps by the SDK, an agents' process for each node. */
async function measureSteps({ nodes, database, copy, wishes }: Stage): Promise<Sample> {
  const ruler = await spawnLoad({
    host: "127.0.0.1",
    port: copy.port,
    connections,
    requests: callRequests("read_file", ""),
    warmupMs: 0,
    durationMs: Math.min(2, wishes.seconds) * 1000,
    countMax: 1_000_000,
  });
  const agents = await Promise.all(
    nodes.all.map(({ url }) => Child.start("steps-programs.ts", "sdk", url, nodes.agentToken)),
  );
  await Promise.all(agents.map((each) => each.ask({ start: { inFlight: runsInFlight, stepsPerRun: 500 } })));
  await pause(wishes.warmUpSeconds);
  const marks = () => Promise.all(agents.map((each) => each.ask({}) as Promise<Mark>));
  const { cost, result } = await costOf(
    database,
    { nodes: nodes.pids, load: agents.map(({ pid }) => pid) },
    async () => {
      const from = await marks();
      await pause(wishes.seconds);
      const to = await marks();
      return to.map((each, i) => ({
        steps: each.steps - (from[i]?.steps ?? 0),
        ms: each.atMs - (from[i]?.atMs ?? 0),
      }));
    },
  );
  await Promise.all(agents.map((each) => each.kill9()));
  const operations = sumOf(result.map(({ steps }) => steps));
  return {
    what: "step",
    nodes: nodes.all.length,
    inFlight: runsInFlight,
    operations,
    perSecond: sumOf(result.map(({ steps, ms }) => (steps / ms) * 1000)),
    p50Ms: null,
    p99Ms: null,
    rulerPerSecond: ruler.perSecond,
    cost,
  };
}

export const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
export const sumOf = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0);

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
}

function startServer(...args: string[]): Promise<Server> {
  const child = fork(built("calls-servers.ts"), args);
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
    child.once("message", (message) => {
      child.removeAllListeners("exit");
      resolve({ child, port: (message as { port: number }).port });
    });
  });
}

/** The table of some samples of one kind, one column for each number of nodes. */
export function printSamples(title: string, ruler: string, samples: readonly Sample[], goal = ""): void {
  console.log(`\n${title}`);
  row(
    "",
    samples.map(({ nodes, inFlight }) => `${nodes} x ${inFlight} under way`),
    goal === "" ? "" : "goal",
  );
  const line = (name: string, of: (each: Sample) => string, wanted = "") =>
    row(name, samples.map(of), wanted);
  const us = (name: string, cores: (cost: Cost) => number) =>
    line(name, (each) => `${((cores(each.cost) * each.cost.ms * 1000) / each.operations).toFixed(0)} us`);
  line("per second", ({ perSecond }) => perSecond.toFixed(0), goal);
  line(`÷ ${ruler}`, ({ perSecond, rulerPerSecond }) => (perSecond / rulerPerSecond).toFixed(3));
  if (samples.some(({ p50Ms }) => p50Ms !== null))
    line(
      "p50, p99 of the slowest node",
      ({ p50Ms, p99Ms }) => `${p50Ms?.toFixed(1)}, ${p99Ms?.toFixed(1)} ms`,
    );
  us("CPU each, nodes", ({ cores }) => cores["nodes"] ?? 0);
  us("CPU each, PostgreSQL", ({ postgresCores }) => postgresCores);
  us("CPU each, load and upstream", ({ cores }) => (cores["load"] ?? 0) + (cores["upstream"] ?? 0));
  line("cores of everybody else", ({ cost }) => cost.othersCores.toFixed(2));
  line("WAL bytes each", ({ cost, operations }) => (cost.walBytes / operations).toFixed(0));
  line("rows written each", ({ cost, operations }) => (cost.rowsWritten / operations).toFixed(2));
  line("WAL fsyncs each", ({ cost, operations }) => (cost.walSyncs / operations).toFixed(4));
  line("flushes/s", ({ cost }) => ((cost.flushes / cost.ms) * 1000).toFixed(0));
  line(
    "operations, rows per flush",
    ({ cost, operations }) =>
      `${(operations / cost.flushes).toFixed(1)}, ${(cost.rowsWritten / cost.flushes).toFixed(1)}`,
  );
  line("fsync", ({ cost }) => `${(cost.walSyncMs / cost.walSyncs).toFixed(2)} ms`);
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
  line(
    "turn held; database, node, WAL",
    ({ cost: { turn } }) =>
      `${percent(turn.isHeld)}; ${percent(turn.inDatabase)}, ${percent(turn.forNode)}, ${percent(turn.forWal)}`,
  );
  for (const { nodes, cost } of samples) console.log(`${nodes}: used up: ${cost.saturated}`);
}
