/**
 * Calls that wait for people: how long it takes to park them all, what they cost while they wait, and how long until all are approved
 * and all have run, beside a plain group-committed journal of the same number of rows in the same run.
 *
 *     npm run bench -- runs [--count 10000] [--idle 65] [--save]
 *
 * Node, journal and the server behind the node are processes of their own. `idle` is in seconds: more than a minute of it contains one
 * round of all housekeeping. CPU per call says more than time where the machine has other work.
 */
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Phase, PhaseReport } from "./runs-servers.ts";

const { values: given } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    idle: { type: "string", default: "65" },
    save: { type: "boolean", default: false },
  },
});
const count = Number(given.count);
const idleMs = Number(given.idle) * 1000;

interface Report {
  readonly ready: PhaseReport;
  readonly park: PhaseReport;
  readonly idle: PhaseReport;
  readonly approve: PhaseReport;
  readonly resume: PhaseReport;
}

const directory = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
try {
  const policies = join(directory, "asks.cedar");
  writeFileSync(
    policies,
    `permit(principal is Agent, action == Action::"call", resource);
@id("asks") @approve("group=finance expiry=24h") forbid(principal, action == Action::"call", resource);
`,
  );
  const journal = await measured(await started("journal", workspace("journal")));
  const echo = fork(program(), ["echo"]);
  const port = await said<number>(echo);
  const node = await measured(await started("node", workspace("node"), String(port), policies));
  echo.disconnect();
  report({ journal, node });
} finally {
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

async function measured(child: ChildProcess): Promise<Report> {
  const ask = (asked: { phase: Phase; count: number } | { idleMs: number }): Promise<PhaseReport> => {
    child.send(asked);
    return said<PhaseReport>(child);
  };
  const ready = await ask({ idleMs: 1_000 });
  const park = await ask({ phase: "park", count });
  const idle = await ask({ idleMs });
  const approve = await ask({ phase: "approve", count });
  const resume = await ask({ phase: "resume", count });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.disconnect();
  await ended;
  return { ready, park, idle, approve, resume };
}

async function started(...args: readonly string[]): Promise<ChildProcess> {
  const child = fork(program(), args);
  await said(child);
  return child;
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the one cast for what our own child says
function said<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`it ended with ${code}`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as T);
    });
  });
}

function program(): string {
  return fileURLToPath(new URL("runs-servers.ts", import.meta.url));
}

function workspace(name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}

function report(reports: Readonly<Record<"journal" | "node", Report>>): void {
  const machine = {
    node: process.version,
    cpus: cpus().length,
    model: cpus()[0]?.model ?? "?",
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg().map((each) => Number(each.toFixed(1))),
  };
  console.log(
    `runs: ${count} calls that wait for approval; node ${machine.node}, ${machine.cpus} x ${machine.model}, ${machine.memoryGiB} GiB, load ${machine.load.join(" ")}`,
  );
  const row = (name: string, of: (each: Report) => string, goal: string) =>
    console.log(
      `${name.padEnd(20)} ${of(reports.journal).padStart(26)} ${of(reports.node).padStart(26)}   ${goal}`,
    );
  console.log(`${"".padEnd(20)} ${"plain journal".padStart(26)} ${"node".padStart(26)}   goal`);
  const phase = (which: Phase) => (each: Report) =>
    `${(each[which].ms / 1000).toFixed(2)} s, ${((each[which].cpuMs * 1000) / count).toFixed(0)} us CPU/call`;
  row("park all", phase("park"), "1 s");
  row("approve all", phase("approve"), "");
  row("resume all", phase("resume"), "2 s");
  row("idle CPU", (each) => `${((each.idle.cpuMs / each.idle.ms) * 100).toFixed(2)} %`, "1.5 %");
  row("RSS before", (each) => `${each.ready.rssMiB.toFixed(0)} MiB`, "");
  row("RSS parked", (each) => `${each.idle.rssMiB.toFixed(0)} MiB`, "150 MB");
  row("RSS at the end", (each) => `${each.resume.rssMiB.toFixed(0)} MiB`, "");
  if (!given.save) return;
  const file = new URL("results/runs.json", import.meta.url);
  writeFileSync(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), machine, count, ...reports }, null, 2)}\n`,
  );
}
