/**
 * A cluster: nodes of the built package on one PostgreSQL (fsync on), all on this machine, beside rulers of the same minute:
 *
 *     a  governed calls per second, and local steps by the SDK, on 1, 2 and 4 nodes; beside a byte-copy proxy
 *     b  local steps per second over the room alone, in as many processes; beside a bare group-committed journal
 *     c  one of three nodes killed with -9: when its calls are on record as unknown, and when its runs go on elsewhere
 *     d  calls that wait for people: to park them, to keep them, and to go on with them all
 *
 *     npm run build && npm run bench -- cluster [--only a,b,c,d] [--nodes 1,2,4] [--seconds 4] [--count 10000] [--idle 15] [--save]
 *
 * What a machine of few cores shows is what each thing costs, and what is used up first; `npm run bench -- capacity` makes of it what more would
 * do. Flushes, their rows and the WAL come from the database's own counters, CPU from /proc, the turn from looks at who holds it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { calls, printSamples } from "./cluster/calls.ts";
import { Database, postgresSettings } from "./cluster/database.ts";
import { parked } from "./cluster/parked.ts";
import { steps } from "./cluster/steps.ts";
import { takeover } from "./cluster/takeover.ts";
import { machine } from "./runs/machine.ts";

const { values: given } = parseArgs({
  options: {
    only: { type: "string", default: "a,b,c,d" },
    nodes: { type: "string", default: "1,2,4" },
    seconds: { type: "string", default: "4" },
    "warm-up": { type: "string", default: "3" },
    count: { type: "string", default: "10000" },
    idle: { type: "string", default: "15" },
    save: { type: "boolean", default: false },
  },
});
const parts = new Set(given.only.split(","));
const wishes = {
  nodeCounts: given.nodes.split(",").map(Number),
  seconds: Number(given.seconds),
  warmUpSeconds: Number(given["warm-up"]),
};

const directory = mkdtempSync(join(tmpdir(), "signalbox-bench-"));
const workspace = (name: string): string => {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
};

const before = machine();
console.log(
  `cluster: node ${before.node}, ${before.cores} x ${before.cpu}, ${before.memoryGiB} GiB, load ${before.load.join(" ")}`,
);
const results: Record<string, unknown> = {};
const postgres = await Database.start();
const [{ version } = {}] = await postgres.sql("SELECT version()");
try {
  if (parts.has("a")) {
    const samples = await calls(postgres, workspace, wishes);
    results["calls"] = samples;
    const of = (what: string) => samples.filter((each) => each.what === what);
    printSamples(
      "(a) governed calls of class read, 64 connections to each node",
      "byte-copy proxy",
      of("read"),
    );
    printSamples("(a) governed calls of class effect", "byte-copy proxy", of("effect"));
    printSamples("(a) local steps by the SDK, 250 runs at each node", "byte-copy proxy", of("step"));
  }
  if (parts.has("b")) {
    const samples = await steps(postgres, workspace, wishes);
    results["steps"] = samples;
    printSamples(
      "(b) local steps over the room, the first with small flushes",
      "bare journal",
      samples,
      "25,000",
    );
  }
  if (parts.has("c")) results["takeover"] = await takeover(postgres, workspace);
  if (parts.has("d")) {
    const count = Number(given.count);
    results["parked"] = await parked(postgres, workspace, { count, idleMs: Number(given.idle) * 1000 });
  }
} finally {
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
if (given.save) {
  const settings = {
    node: "serve, PostgreSQL, log of every call to a file, metrics on, screening on, receipts on",
    postgres: { version, fsync: "on", ...postgresSettings },
  };
  const envelope = { before, after: machine(), settings, options: given };
  mkdirSync(new URL("results/", import.meta.url), { recursive: true });
  writeFileSync(
    new URL("results/cluster.json", import.meta.url),
    `${JSON.stringify({ envelope, results }, null, 2)}\n`,
  );
}
