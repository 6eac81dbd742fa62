import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory } from "./fixtures/node-process.ts";
import { until } from "./fixtures/until.ts";
import { provenLedger } from "./fixtures/offline-ledger.ts";
import { RestateWorld, restateExample, restateStartMs } from "./fixtures/restate.ts";
import { CountingServer } from "./fixtures/servers/counting.ts";
import { ModelServer } from "./fixtures/servers/model.ts";

/** An agent inside of another durable engine: its worker and the engine are killed with -9 in turn, and each effect is done once. */
const root = join(import.meta.dirname, "..");
/** It starts anew three times here, and tries again with growing pauses. */
const patienceMs = 120_000;
const startMs = restateStartMs;

let bank: CountingServer;
let model: ModelServer;
let directory: string;
let node: NodeProcess;
let world: RestateWorld;
beforeAll(async () => {
  bank = await new CountingServer().start();
  model = await new ModelServer().start();
  directory = newDirectory();
  world = await RestateWorld.in(directory);
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
}, patienceMs);
afterAll(async () => {
  await world.stop();
  await node.stop();
  await bank.stop();
  await model.stop();
  removeDirectory(directory);
});

test(
  "killed in its payments, and its engine too, it does each effect once and ends",
  async () => {
    const order = { url: node.url, token: node.agentToken, modelUrl: model.url };
    let worker = await world.startWorker(order);
    let restate = await world.startServer();
    bank.hold();
    await world.begin("april", "Pay the invoices of april");

    // The worker dies while two payments are at the bank. The next one joins them.
    await until(() => paid("april-0") === 1 && paid("april-1") === 1, startMs);
    await world.kill9(worker);
    worker = await world.startWorker(order);
    await until(() => worker.said.includes("call-1-1"), startMs);
    bank.release();

    // Restate dies while the model thinks about what they gave.
    model.holdAt(2);
    await until(() => (model.countsOf("april")[2] ?? 0) >= 1, startMs);
    await world.kill9(restate);
    bank.hold();
    model.release();
    restate = await world.startServer();

    // And once more, with the third payment at the bank.
    await until(() => paid("april-2") === 1, startMs);
    await world.kill9(restate);
    bank.release();
    restate = await world.startServer();

    const said = await world.resultOf("april");
    for (const invoice of [0, 1, 2]) {
      expect(paid(`april-${invoice}`)).toBe(1);
      expect(said).toContain(`april-${invoice}`);
    }
    expect(model.countsOf("april")[0]).toBe(1);
  },
  patienceMs,
);

test("the example is sound by its types", () => {
  const compiler = join(root, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(compiler, ["-p", restateExample], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});

test("and at the end the ledger proves itself, with nothing left open", async () => {
  await node.stop();
  const ledger = await provenLedger(directory);
  expect(ledger.dispatched).toEqual([]);
  expect(ledger.unknown).toEqual([]);
});

const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;
