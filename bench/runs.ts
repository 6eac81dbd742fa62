/**
 * Runs, beside a plain group-committed journal and Restate in the same run, each thing a process of its own on this machine:
 *
 *     a  local steps that are on record per second, over the room and over HTTP with the SDK
 *     b  calls that wait for people: to park them, to keep them, and to go on with them all
 *     c  ten thousand agents that each make a call now and then: what is lost, how late, how fair
 *     d  the node killed with -9 while runs are in flight: what becomes of them, and when
 *
 *     npm run bench -- runs [--only a,b] [--seconds 10] [--in-flight 1000] [--count 10000] [--idle 65] [--agents 10000] [--minutes 0.5]
 *                           [--killed 2000] [--save]
 *
 * CPU per operation says more than time where the machine has other work.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { agents } from "./runs/agents.ts";
import { killed } from "./runs/killed.ts";
import { machine } from "./runs/machine.ts";
import { steps } from "./runs/steps.ts";
import { waiting } from "./runs/waiting.ts";

const { values: given } = parseArgs({
  options: {
    only: { type: "string", default: "a,b,c,d" },
    seconds: { type: "string", default: "10" },
    "warm-up": { type: "string", default: "3" },
    "in-flight": { type: "string", default: "1000" },
    count: { type: "string", default: "10000" },
    idle: { type: "string", default: "65" },
    agents: { type: "string", default: "10000" },
    minutes: { type: "string", default: "0.5" },
    killed: { type: "string", default: "2000" },
    save: { type: "boolean", default: false },
  },
});
const parts = new Set(given.only.split(","));

const directory = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
const workspace = (name: string): string => {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
};

const before = machine();
console.log(
  `runs: node ${before.node}, ${before.cores} x ${before.cpu}, ${before.memoryGiB} GiB, load ${before.load.join(" ")}`,
);
const results: Record<string, unknown> = {};
try {
  if (parts.has("a")) {
    const wishes = {
      inFlight: Number(given["in-flight"]),
      seconds: Number(given.seconds),
      warmUpSeconds: Number(given["warm-up"]),
    };
    results["steps, long runs"] = await steps(workspace, { ...wishes, stepsPerRun: 500 });
    results["steps, five per run"] = await steps(workspace, { ...wishes, stepsPerRun: 5 });
  }
  if (parts.has("b"))
    results["waiting"] = await waiting(workspace, {
      count: Number(given.count),
      idleMs: Number(given.idle) * 1000,
    });
  if (parts.has("c"))
    results["agents"] = await agents(workspace, {
      agents: Number(given.agents),
      seconds: Number(given.minutes) * 60,
      warmUpSeconds: 15,
      everyMs: 2_000,
    });
  if (parts.has("d")) results["killed"] = await killed(workspace, { inFlight: Number(given.killed) });
} finally {
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
if (given.save) {
  const settings = "sqlite, full sync, log of every call to a file, metrics on, screening on, receipts on";
  const envelope = { before, after: machine(), settings, options: given };
  writeFileSync(
    new URL("results/runs.json", import.meta.url),
    `${JSON.stringify({ envelope, results }, null, 2)}\n`,
  );
}
