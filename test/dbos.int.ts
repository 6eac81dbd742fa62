import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Door } from "./fixtures/door.ts";
import { NodeProcess, newDirectory, removeDirectory } from "./fixtures/node-process.ts";
import { until } from "./fixtures/until.ts";
import { provenLedger } from "./fixtures/offline-ledger.ts";
import { Postgres } from "./fixtures/postgres.ts";
import { CountingServer } from "./fixtures/servers/counting.ts";

/** A workflow of DBOS: its process and the node are killed with -9 in turn, each with a payment at the bank, which is made once. */
const root = join(import.meta.dirname, "..");
const example = join(root, "examples/runtimes/dbos");
const patienceMs = 120_000;
const invoices = [0, 1, 2].map((n) => ({ to: `april-${n}`, amount: 12 + n }));

const bank = new CountingServer();
const door = new Door();
let cluster: Postgres;
let database: string;
let directory: string;
let node: NodeProcess;
const running = new Set<Worker>();

interface Worker {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  said: string;
  complained: string;
}

const startNode = async (): Promise<void> => {
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
  door.node = node;
};
beforeAll(async () => {
  await bank.start();
  await door.start();
  cluster = await Postgres.start();
  database = await cluster.createDatabase();
  directory = newDirectory();
  await startNode();
}, patienceMs);
afterAll(async () => {
  for (const worker of running) await kill9(worker);
  await door.stop();
  if (node.isUp) await node.stop();
  await bank.stop();
  await cluster.stop();
  removeDirectory(directory);
});

function startWorker(): Worker {
  const child = spawn(process.execPath, [join(example, "worker.ts"), "april", JSON.stringify(invoices)], {
    cwd: directory,
    env: { SIGNALBOX_URL: door.url, SIGNALBOX_TOKEN: node.agentToken, DATABASE_URL: database },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const worker: Worker = { child, ended, said: "", complained: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (worker.said += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (worker.complained += text));
  running.add(worker);
  void ended.then(() => running.delete(worker));
  return worker;
}

async function kill9(worker: Worker): Promise<void> {
  worker.child.kill("SIGKILL");
  await worker.ended;
}

const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

test(
  "killed in its payments, and its node too, it does each effect once and ends",
  async () => {
    const nextIsHeld = () => {
      bank.release();
      bank.hold();
    };
    bank.hold();
    let worker = startWorker();
    // The process dies with a payment at the bank, twice. The next one joins it.
    for (const { to } of invoices.slice(0, 2)) {
      await until(() => paid(to) === 1, patienceMs / 2);
      await kill9(worker);
      worker = startWorker();
      nextIsHeld();
    }

    // The node dies with the third payment at the bank: nobody knows, and DBOS asks until a person has looked.
    await until(() => paid("april-2") === 1, patienceMs / 2);
    door.node = null;
    await node.kill9();
    bank.release();
    await startNode();
    const unknown = async () =>
      (await node.admin<{ items: { call: string }[] }>("GET", "/calls/unknown")).body.items;
    await until(async () => (await unknown()).length === 1);
    const [{ call } = { call: "" }] = await unknown();
    await until(async () => {
      const resolution = { resolution: "done", reason: "looked at the books" };
      return (await node.admin("POST", `/calls/${call}/resolve`, resolution)).status === 200;
    });

    expect(await worker.ended, worker.complained.slice(-2_000)).toBe(0);
    expect(invoices.map(({ to }) => paid(to))).toEqual([1, 1, 1]);
    expect(worker.said).toContain("april-0");
  },
  patienceMs,
);

test("the example is sound by its types", () => {
  const compiler = join(root, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(compiler, ["-p", example], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});

test("and at the end the ledger proves itself, with nothing left open", async () => {
  await node.stop();
  const ledger = await provenLedger(directory);
  expect(ledger.dispatched).toEqual([]);
  expect(ledger.unknown).toEqual([]);
});
