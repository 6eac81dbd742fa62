import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NodeProcess, newDirectory, removeDirectory, until } from "./fixtures/node-process.ts";
import { provenLedger } from "./fixtures/offline-ledger.ts";
import { CountingServer } from "./fixtures/servers/counting.ts";
import { ModelServer } from "./fixtures/servers/model.ts";

/** An agent inside of another durable engine: its worker and the engine are killed with -9 in turn, and each effect is done once. */
const root = join(import.meta.dirname, "..");
const example = join(root, "examples/runtimes/restate");
const platform = `${process.platform}-${process.arch}`;
const engine = join(example, `node_modules/@restatedev/restate-server-${platform}/bin/restate-server`);
/** It starts anew three times here, and tries again with growing pauses. */
const patienceMs = 120_000;
const startMs = 60_000;

let bank: CountingServer;
let model: ModelServer;
let directory: string;
let node: NodeProcess;
let ports: {
  readonly ingress: number;
  readonly admin: number;
  readonly fabric: number;
  readonly worker: number;
};
const running = new Set<Started>();
beforeAll(async () => {
  bank = await new CountingServer().start();
  model = await new ModelServer().start();
  directory = newDirectory();
  mkdirSync(join(directory, "restate"));
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
  const [ingress = 0, admin = 0, fabric = 0, worker = 0] = await freePorts(4);
  ports = { ingress, admin, fabric, worker };
}, patienceMs);
afterAll(async () => {
  for (const each of running) await kill9(each);
  await node.stop();
  await bank.stop();
  await model.stop();
  removeDirectory(directory);
});

test(
  "killed in its payments, and its engine too, it does each effect once and ends",
  async () => {
    let worker = await startWorker();
    let restate = await startRestate();
    const registered = await post(ports.admin, "/deployments", { uri: `http://127.0.0.1:${ports.worker}` });
    expect(registered.status, await registered.text()).toBe(201);
    bank.hold();
    const sent = await post(ports.ingress, "/payer/april/run/send", "Pay the invoices of april");
    expect(sent.status, await sent.text()).toBe(202);

    // The worker dies while two payments are at the bank. The next one joins them.
    await until(() => paid("april-0") === 1 && paid("april-1") === 1, startMs);
    await kill9(worker);
    worker = await startWorker();
    await until(() => worker.said.includes("call-1-1"), startMs);
    bank.release();

    // Restate dies while the model thinks about what they gave.
    model.holdAt(2);
    await until(() => (model.countsOf("april")[2] ?? 0) >= 1, startMs);
    await kill9(restate);
    bank.hold();
    model.release();
    restate = await startRestate();

    // And once more, with the third payment at the bank.
    await until(() => paid("april-2") === 1, startMs);
    await kill9(restate);
    bank.release();
    restate = await startRestate();

    const said = await resultOf("april");
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
  const { status, stdout } = spawnSync(compiler, ["-p", example], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});

test("and at the end the ledger proves itself, with nothing left open", async () => {
  await node.stop();
  const ledger = await provenLedger(directory);
  expect(ledger.dispatched).toEqual([]);
  expect(ledger.unknown).toEqual([]);
});

const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  said: string;
}

function start(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Started {
  const child = spawn(command, args, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const started: Started = { child, ended, said: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (started.said += text));
  running.add(started);
  return started;
}

async function kill9(started: Started): Promise<void> {
  started.child.kill("SIGKILL");
  await started.ended;
  running.delete(started);
}

async function startWorker(): Promise<Started> {
  const worker = start(process.execPath, [join(example, "worker.ts")], {
    PORT: String(ports.worker),
    SIGNALBOX_URL: node.url,
    SIGNALBOX_TOKEN: node.agentToken,
    OPENAI_BASE_URL: model.url,
    OPENAI_API_KEY: "none",
    RESTATE_LOGGING: "TRACE",
  });
  await ready(worker, () => worker.said.includes("listening"));
  return worker;
}

async function startRestate(): Promise<Started> {
  const args = ["--no-logo", "--listen-mode", "tcp", "--bind-ip", "127.0.0.1", "--node-name", "one"];
  const restate = start(engine, [...args, "--bind-port", String(ports.fabric)], {
    RESTATE_BASE_DIR: join(directory, "restate"),
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ports.ingress}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${ports.admin}`,
    RESTATE_DISABLE_TELEMETRY: "true",
    DO_NOT_TRACK: "1",
    RESTATE_LOG_FILTER: "warn",
  });
  await ready(
    restate,
    async () => (await isUp(ports.admin, "/health")) && isUp(ports.ingress, "/restate/health"),
  );
  return restate;
}

async function ready(started: Started, isSo: () => boolean | Promise<boolean>): Promise<void> {
  let hasEnded = false;
  void started.ended.then(() => (hasEnded = true));
  await until(async () => hasEnded || (await isSo()), startMs);
  expect(hasEnded, started.said.slice(-2_000)).toBe(false);
}

const isUp = (port: number, path: string): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}${path}`).then(
    ({ ok }) => ok,
    () => false,
  );

const post = (port: number, path: string, body: unknown): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/** What the workflow gave; asked for until it has ended, also across an ingress that comes and goes. */
async function resultOf(key: string): Promise<string> {
  let said = "";
  await until(async () => {
    const response = await fetch(`http://127.0.0.1:${ports.ingress}/restate/workflow/payer/${key}/output`);
    said = await response.text();
    return response.ok;
  }, startMs);
  return said;
}

/** Nobody else's right now, which is as much as can be had for a program that is told its ports. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
