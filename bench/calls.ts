import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { built } from "./built.ts";
import { callRequests } from "./cluster/requests.ts";
import type { Idle } from "./idle-node.ts";
import { measureIdle } from "./idle-node.ts";
import type { LoadReport } from "./load.ts";
import { spawnLoad } from "./load.ts";

/**
 * Governed calls against a byte-copy proxy, in interleaved rounds of one run, everything durable and on record:
 * `npm run bench -- calls [--rounds 5] [--seconds 4] [--no-idle] [--save]`. Upstream, proxy, gateway and load generator are processes of
 * their own, all on this machine. Gates are ratios within the run and CPU per call; absolute rates depend on the machine.
 *
 * The idle node is measured as users have it, built (`npm run build` before), and from source; alone: `npm run bench -- idle`.
 */
const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? fallback : Number(process.argv[at + 1]);
};
const rounds = option("rounds", 3);
const seconds = option("seconds", 3);
const warmUpSeconds = option("warm-up", 15);

interface Target {
  readonly child: ChildProcess;
  readonly port: number;
  readonly token: string;
  readonly readyMs: number;
}

interface Scenario {
  readonly name: string;
  readonly target: () => Target;
  readonly tool: string;
  readonly connections: number;
}

interface Sample {
  readonly perSecond: number;
  readonly cpuUsPerCall: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMiB: number;
  /** NaN for what has no store. */
  readonly transactionsPerFlush: number;
}

const directory = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
const cached = policyFile("cached.cedar", 'permit(principal is Agent, action == Action::"call", resource);');
const reads = policyFile(
  "reads.cedar",
  `permit(principal is Agent, action == Action::"call", resource);
forbid(principal, action == Action::"call", resource) when { context.args.path like "/etc/*" };`,
);
const echo = await start("echo");
const copy = await start("copy", String(echo.port));
const gateway = await start("gateway", workspace("cached"), String(echo.port), cached);
const reader = await start("gateway", workspace("reads"), String(echo.port), reads);
const notMeasured: Idle = { readyMs: Number.NaN, readyCpuMs: Number.NaN, rssMiB: Number.NaN };
const withIdle = !process.argv.includes("--no-idle");
const idle = {
  built: withIdle ? await measureIdle("built") : notMeasured,
  source: withIdle ? await measureIdle("source") : notMeasured,
};

const scenarios: readonly Scenario[] = [
  { name: "copy c64", target: () => copy, tool: "read_file", connections: 64 },
  { name: "read c64, cached decision", target: () => gateway, tool: "files__read_file", connections: 64 },
  { name: "effect c64, cached decision", target: () => gateway, tool: "files__write_file", connections: 64 },
  {
    name: "read c64, policy reads arguments",
    target: () => reader,
    tool: "files__read_file",
    connections: 64,
  },
  { name: "direct c1", target: () => echo, tool: "read_file", connections: 1 },
  { name: "copy c1", target: () => copy, tool: "read_file", connections: 1 },
  { name: "read c1", target: () => gateway, tool: "files__read_file", connections: 1 },
  { name: "effect c1", target: () => gateway, tool: "files__write_file", connections: 1 },
];

// The compiler's threads come to rest after some hundred thousand calls; until then they are a tenth of what is measured, at first half.
for (const { target, tool, connections } of scenarios.filter(({ connections }) => connections > 1)) {
  const { port, token } = target();
  await loadFor({ port, token }, tool, connections, warmUpSeconds * 1000);
}

const samples = new Map<string, Sample[]>(scenarios.map(({ name }) => [name, []]));
for (let round = 0; round < rounds; round++) {
  for (const scenario of scenarios) {
    samples.get(scenario.name)?.push(await measure(scenario));
    process.stderr.write(`round ${round + 1}/${rounds} ${scenario.name}\n`);
  }
}
for (const { child } of [echo, copy, gateway, reader]) child.disconnect();
report();
rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });

async function measure({ target, tool, connections }: Scenario): Promise<Sample> {
  const { child } = target();
  const load = (durationMs: number) => loadFor(target(), tool, connections, durationMs);
  await load(300); // connections and caches of this scenario
  const before = await usage(child);
  const report = await load(seconds * 1000);
  const after = await usage(child);
  if (report.ok !== report.answers || report.answers === 0) {
    throw new Error(
      `not every answer was 200: ${JSON.stringify(report.otherStatuses)} ${report.otherBodies.join()}`,
    );
  }
  return {
    perSecond: report.perSecond,
    cpuUsPerCall: (after.cpuUs - before.cpuUs) / report.answers,
    p50Ms: report.latencyMs.p50,
    p99Ms: report.latencyMs.p99,
    rssMiB: after.rssBytes / 1024 / 1024,
    transactionsPerFlush: (after.transactions - before.transactions) / (after.flushes - before.flushes),
  };
}

function loadFor(
  target: Pick<Target, "port" | "token">,
  tool: string,
  connections: number,
  durationMs: number,
): Promise<LoadReport> {
  return spawnLoad({
    host: "127.0.0.1",
    port: target.port,
    connections,
    requests: callRequests(tool, target.token),
    warmupMs: 0,
    durationMs,
    countMax: 1_000_000,
  });
}

function report(): void {
  const of = (name: string, pick: (sample: Sample) => number) => median((samples.get(name) ?? []).map(pick));
  const row = (name: string) => ({
    "calls/s": Math.round(of(name, (s) => s.perSecond)),
    "CPU µs/call": Number(of(name, (s) => s.cpuUsPerCall).toFixed(1)),
    "p50 ms": Number(of(name, (s) => s.p50Ms).toFixed(3)),
    "p99 ms": Number(of(name, (s) => s.p99Ms).toFixed(2)),
    "RSS MiB": Math.round(of(name, (s) => s.rssMiB)),
  });
  console.table(Object.fromEntries(scenarios.map(({ name }) => [name, row(name)])));
  const rate = (name: string) => of(name, (s) => s.perSecond);
  const cpu = (name: string) => of(name, (s) => s.cpuUsPerCall);
  const p50 = (name: string) => of(name, (s) => s.p50Ms);
  const results = {
    "calls/s ÷ byte-copy, read": rate("read c64, cached decision") / rate("copy c64"),
    "calls/s ÷ byte-copy, effect": rate("effect c64, cached decision") / rate("copy c64"),
    "CPU ÷ byte-copy, read": cpu("read c64, cached decision") / cpu("copy c64"),
    "CPU ÷ byte-copy, effect": cpu("effect c64, cached decision") / cpu("copy c64"),
    "CPU ÷ byte-copy, policy reads arguments": cpu("read c64, policy reads arguments") / cpu("copy c64"),
    "transactions per flush, read c64": of("read c64, cached decision", (s) => s.transactionsPerFlush),
    "added latency c1 p50 ms, read": p50("read c1") - p50("direct c1"),
    "added latency c1 p50 ms, effect": p50("effect c1") - p50("direct c1"),
    "idle, built: ready ms": idle.built.readyMs,
    "idle, built: CPU until ready ms": idle.built.readyCpuMs,
    "idle, built: RSS MiB": idle.built.rssMiB,
    "idle, from source: ready ms": idle.source.readyMs,
    "idle, from source: RSS MiB": idle.source.rssMiB,
  };
  console.table(
    Object.fromEntries(Object.entries(results).map(([name, value]) => [name, Number(value.toFixed(3))])),
  );
  if (!process.argv.includes("--save")) return;
  const envelope = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    rounds,
    seconds,
    connections: 64,
    requestBytes: callRequests("files__read_file", "")[0]?.length,
    settings: "sqlite, full sync, log of every call to a file, metrics on, screening on, receipts on",
  };
  const file = fileURLToPath(new URL("results/calls.json", import.meta.url));
  mkdirSync(fileURLToPath(new URL("results/", import.meta.url)), { recursive: true });
  const raw = Object.fromEntries(samples);
  writeFileSync(file, `${JSON.stringify({ envelope, results, idle, samples: raw }, null, 2)}\n`);
}

function start(...args: string[]): Promise<Target> {
  const child = fork(built("calls-servers.ts"), args);
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
    child.once("message", (message) => {
      child.removeAllListeners("exit");
      resolve({ token: "", ...(message as object), child } as Target);
    });
  });
}

interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly flushes: number;
  readonly transactions: number;
}

function usage(child: ChildProcess): Promise<Usage> {
  return new Promise((resolve) => {
    child.once("message", (message) => resolve(message as Usage));
    child.send("usage");
  });
}

function workspace(name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}

function policyFile(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
