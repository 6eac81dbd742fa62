import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { built } from "./built.ts";
import { machine } from "./runs/machine.ts";
import type { SessionOrder, SessionReport } from "./session-load.ts";

/**
 * Sessions of the older era: a whole governed node (authentication, policy, durable entries, receipts, log, metrics) beside a
 * proxy made of the official SDK's server and client, which governs nothing, both before the same upstream, in interleaved rounds
 * of one run: `npm run bench -- legacy [--rounds 3] [--seconds 4] [--sessions 10000] [--save]`. `edge` is our edge with nothing behind it:
 * what sessions cost by themselves. All are processes of their own.
 */
const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? fallback : Number(process.argv[at + 1]);
};
const rounds = option("rounds", 3);
const durationMs = option("seconds", 4) * 1000;
const sessions = option("sessions", 10_000);
const connections = 64;
/** Until the heap has the size that opening and ending sessions needs. */
const heapWarmUpMs = 8_000;

interface Target {
  readonly child: ChildProcess;
  readonly port: number;
  readonly token: string;
  readonly tool: string;
}

const before = machine();
const directory = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
const policies = join(directory, "all.cedar");
writeFileSync(policies, 'permit(principal is Agent, action == Action::"call", resource);');
const data = join(directory, "node");
mkdirSync(data);

const echo = await start("calls-servers.ts", "", "echo");
const names = ["proxy", "node", "edge"] as const;
type Name = (typeof names)[number];
const fresh = (name: Name): Promise<Target> => {
  switch (name) {
    case "proxy":
      return start("legacy-servers.ts", "read_file", "proxy", String(echo.port));
    case "node":
      rmSync(data, { recursive: true, force: true });
      mkdirSync(data);
      return start("calls-servers.ts", "files__read_file", "gateway", data, String(echo.port), policies);
    case "edge":
      return start("legacy-servers.ts", "read_file", "edge");
  }
};

interface Sample {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const memory = new Map<string, number>();
const targets = new Map<Name, Target>();
for (const name of names) {
  const target = await fresh(name);
  // Memory first, in a process that has only been warmed up: what calls leave behind is not the sessions'.
  await load(target, "sessions", heapWarmUpMs);
  const before = await settledRss(target);
  await load(target, "idle", 0);
  memory.set(`${name}, idle sessions`, (await settledRss(target)) - before);
  targets.set(name, target);
}

const kinds = ["calls", "sessions"] as const;
const samples = new Map<string, Sample[]>();
for (const target of targets.values()) for (const kind of kinds) await load(target, kind, 3_000); // warm-up
for (let round = 0; round < rounds; round++) {
  for (const [name, target] of targets) {
    for (const kind of kinds) {
      const key = `${name} ${kind}`;
      samples.set(key, [...(samples.get(key) ?? []), await measure(target, kind)]);
      process.stderr.write(`round ${round + 1}/${rounds} ${key}\n`);
    }
  }
}
for (const { child } of targets.values()) child.disconnect();
for (const name of ["proxy", "edge"] as const) {
  const target = await fresh(name);
  await load(target, "sessions", heapWarmUpMs);
  const before = await settledRss(target);
  const generator = await load(target, "streams", 0, true);
  memory.set(`${name}, open streams`, (await settledRss(target)) - before);
  generator?.disconnect();
  target.child.disconnect();
}
echo.child.disconnect();
report();
rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });

async function measure(target: Target, kind: "calls" | "sessions"): Promise<Sample> {
  const before = await usage(target.child);
  const done = await reportOf(target, kind, durationMs);
  const after = await usage(target.child);
  return {
    perSecond: (done.done / done.elapsedMs) * 1000,
    cpuUs: (after.cpuUs - before.cpuUs) / done.done,
    p50Ms: done.p50Ms,
    p99Ms: done.p99Ms,
  };
}

async function load(
  target: Target,
  kind: SessionOrder["kind"],
  forMs: number,
  keep = false,
): Promise<ChildProcess | null> {
  const generator = fork(built("session-load.ts"));
  await answer<SessionReport>(generator, orderFor(target, kind, forMs));
  if (keep) return generator;
  generator.disconnect();
  return null;
}

async function reportOf(target: Target, kind: SessionOrder["kind"], forMs: number): Promise<SessionReport> {
  const generator = fork(built("session-load.ts"));
  const done = await answer<SessionReport>(generator, orderFor(target, kind, forMs));
  generator.disconnect();
  return done;
}

function orderFor({ port, token, tool }: Target, kind: SessionOrder["kind"], forMs: number): SessionOrder {
  return { kind, port, token, tool, connections, durationMs: forMs, count: sessions };
}

function start(program: string, tool: string, ...args: string[]): Promise<Target> {
  const child = fork(built(program), args);
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
    child.once("message", (message) => {
      child.removeAllListeners("exit");
      resolve({ token: "", ...(message as object), tool, child } as Target);
    });
  });
}

interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

function usage(child: ChildProcess): Promise<Usage> {
  return answer(child, "usage");
}

/** The least of some seconds: what is garbage goes by then. */
async function settledRss({ child }: Target): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 6; i++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    least = Math.min(least, (await usage(child)).rssBytes);
  }
  return least;
}

function answer<T>(child: ChildProcess, order: SessionOrder | string): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a process ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      resolve(message as T);
    });
    child.send(order);
  });
}

function report(): void {
  const of = (key: string, pick: (sample: Sample) => number) => median((samples.get(key) ?? []).map(pick));
  console.log(
    `${connections} connections, ${rounds} rounds of ${durationMs} ms, ${sessions} sessions, node ${process.version}`,
  );
  console.table(
    Object.fromEntries(
      [...samples.keys()].toSorted().map((key) => [
        key,
        {
          "per second": Math.round(of(key, (s) => s.perSecond)),
          "CPU µs each": Number(of(key, (s) => s.cpuUs).toFixed(1)),
          "p50 ms": Number(of(key, (s) => s.p50Ms).toFixed(2)),
          "p99 ms": Number(of(key, (s) => s.p99Ms).toFixed(2)),
        },
      ]),
    ),
  );
  console.table(
    Object.fromEntries(
      [...memory].map(([key, bytes]) => [
        key,
        {
          "RSS MiB": Number((bytes / 2 ** 20).toFixed(1)),
          "KB each": Number((bytes / sessions / 1000).toFixed(1)),
        },
      ]),
    ),
  );
  const rate = (key: string) => of(key, (s) => s.perSecond);
  const ratios = {
    "calls/s, node ÷ SDK proxy": rate("node calls") / rate("proxy calls"),
    "sessions/s, node ÷ SDK proxy": rate("node sessions") / rate("proxy sessions"),
  };
  console.table(
    Object.fromEntries(Object.entries(ratios).map(([key, ratio]) => [key, Number(ratio.toFixed(1))])),
  );
  if (process.argv.includes("--save")) save(ratios);
}

function save(ratios: Readonly<Record<string, number>>): void {
  const settings = "sqlite, full sync, log of every call to a file, metrics on, screening on, receipts on";
  const options = { rounds, seconds: durationMs / 1000, sessions, connections };
  const envelope = { before, after: machine(), settings, options };
  const results = {
    ...ratios,
    ...Object.fromEntries([...memory].map(([key, bytes]) => [`${key}, RSS MiB`, bytes / 2 ** 20])),
  };
  writeFileSync(
    new URL("results/legacy.json", import.meta.url),
    `${JSON.stringify({ envelope, results, samples: Object.fromEntries(samples) }, null, 2)}\n`,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
