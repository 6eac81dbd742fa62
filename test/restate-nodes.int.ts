import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Balancer } from "./fixtures/balancer.ts";
import { NodeProcess, newDirectory, removeDirectory } from "./fixtures/node-process.ts";
import { until } from "./fixtures/until.ts";
import { provenLedger } from "./fixtures/offline-ledger.ts";
import { Postgres } from "./fixtures/postgres.ts";
import { RestateWorld, restateStartMs } from "./fixtures/restate.ts";
import { CountingServer } from "./fixtures/servers/counting.ts";
import { ModelServer } from "./fixtures/servers/model.ts";

/**
 * An agent inside of another durable engine, whose tools stand behind three nodes on one database: the nodes, its worker and the engine are
 * killed with -9 in turn, and each effect is done once. Payments are `verifiable`: a node that dies with one on its way leaves nobody who
 * could know, and another one asks the bank.
 */
const names = ["one", "two", "three"];
/** Nodes that died are taken over after a lease, and the engine tries again with growing pauses. */
const patienceMs = 240_000;
const startMs = restateStartMs;

let bank: CountingServer;
let model: ModelServer;
let cluster: Postgres;
let database: string;
let directory: string;
let world: RestateWorld;
const balancer = new Balancer();

const startNode = async (name: string): Promise<NodeProcess> => {
  const node = await NodeProcess.start({
    directory: join(directory, name),
    postgres: database,
    yaml: `
keys: { file: ${JSON.stringify(join(directory, "one.key"))} }
servers:
  bank:
    url: "${bank.url}"
    callTimeout: 60s
    tools: { pay: { class: verifiable, verifyTool: paid, verifyArguments: [to] }, paid: { class: read } }
`,
  });
  await node.toolsAre(["bank__pay", "bank__paid"], startMs);
  return node;
};

beforeAll(async () => {
  bank = await new CountingServer().start();
  bank.isAskable = true;
  model = await new ModelServer().start();
  cluster = await Postgres.start();
  database = await cluster.createDatabase();
  directory = newDirectory();
  writeFileSync(join(directory, "one.key"), `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  world = await RestateWorld.in(directory);
  await balancer.start();
  for (const name of names) {
    mkdirSync(join(directory, name));
    balancer.nodes.push(await startNode(name));
  }
}, patienceMs);
afterAll(async () => {
  await world.stop();
  await balancer.stop();
  for (const node of balancer.nodes) if (node.isUp) await node.stop();
  await bank.stop();
  await model.stop();
  await cluster.stop();
  removeDirectory(directory);
});

const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

/** The node that has sent the call of this step to the bank dies. */
async function killNodeOf(step: string): Promise<string> {
  const node = balancer.firstWith(`"${step}"`);
  if (node === null) throw new Error(`nobody was asked for ${step}`);
  await node.kill9();
  return names[balancer.nodes.indexOf(node)] ?? "";
}

async function restart(name: string): Promise<void> {
  balancer.nodes[names.indexOf(name)] = await startNode(name);
}

test(
  "its nodes, its worker and its engine killed in turn, the agent does each effect once and ends",
  async () => {
    const token = balancer.nodes[0]?.agentToken ?? "";
    const order = { url: balancer.url, token, modelUrl: model.url };
    let worker = await world.startWorker(order);
    let restate = await world.startServer();
    bank.hold();
    await world.begin("april", "Pay the invoices of april");

    // A node dies with a payment at the bank, and stays away. The others give the payment's end.
    await until(() => paid("april-0") === 1 && paid("april-1") === 1, startMs);
    const first = await killNodeOf("call-1-0");
    bank.release();

    // The worker dies while the model thinks about what the two gave.
    model.holdAt(2);
    await until(() => (model.countsOf("april")[2] ?? 0) >= 1, patienceMs / 2);
    await world.kill9(worker);
    bank.hold();
    model.release();
    worker = await world.startWorker(order);
    await restart(first);

    // With the third payment at the bank another node dies, and the engine.
    await until(() => paid("april-2") === 1, startMs);
    const second = await killNodeOf("call-2-0");
    await world.kill9(restate);
    bank.release();
    restate = await world.startServer();

    const said = await world.resultOf("april", patienceMs / 2);
    for (const invoice of [0, 1, 2]) {
      expect(paid(`april-${invoice}`)).toBe(1);
      expect(said).toContain(`april-${invoice}`);
    }
    expect(model.countsOf("april")[0]).toBe(1);
    await restart(second);
  },
  patienceMs,
);

test("and at the end the ledger proves itself, with nothing left open, and says who was asked", async () => {
  for (const node of balancer.nodes) await node.stop();
  const ledger = await provenLedger({ postgres: database });
  expect(ledger.dispatched).toEqual([]);
  expect(ledger.unknown).toEqual([]);
  const resolved = ledger.entries.filter(({ kind }) => kind === "resolve").map(({ method }) => method);
  expect(resolved.length).toBeGreaterThanOrEqual(2);
  expect(new Set(resolved)).toEqual(new Set(["call.verify"]));
});
