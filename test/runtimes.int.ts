import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Door } from "./fixtures/door.ts";
import { NodeProcess, newDirectory, removeDirectory } from "./fixtures/node-process.ts";
import { until } from "./fixtures/until.ts";
import { provenLedger } from "./fixtures/offline-ledger.ts";
import { CountingServer } from "./fixtures/servers/counting.ts";
import { ModelServer } from "./fixtures/servers/model.ts";

/** The programs of examples/runtimes as a reader would run them, killed with -9 in the middle and started again. */
const root = join(import.meta.dirname, "..");
const examples = join(root, "examples/runtimes");
/** Some of these are compiled for seconds on a busy machine, and each test starts one six times. */
const patienceMs = 120_000;
const startMs = 30_000;

let bank: CountingServer;
let model: ModelServer;
let directory: string;
let node: NodeProcess;
const door = new Door();
beforeAll(async () => {
  bank = await new CountingServer().start();
  model = await new ModelServer().start();
  directory = newDirectory();
  await door.start();
  await startNode();
}, patienceMs);
afterAll(async () => {
  await door.stop();
  await node.stop();
  await bank.stop();
  await model.stop();
  removeDirectory(directory);
});

async function startNode(): Promise<void> {
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
  door.node = node;
}

interface Ran {
  /** null = it was killed. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
}

function start(name: string, run: string, task = `Pay the invoices of ${run}`): Running {
  const child = spawn(process.execPath, [join(examples, name, "agent.ts"), run, task], {
    cwd: directory,
    env: {
      PATH: process.env["PATH"],
      HOME: directory,
      SIGNALBOX_URL: door.url,
      SIGNALBOX_TOKEN: node.agentToken,
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: "none",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  const ended = new Promise<Ran>((resolve) => child.once("close", (code) => resolve({ code, out, err })));
  return { child, ended };
}

/** Kills it when that is so; says what it said when it ended before. */
async function killWhen(running: Running, isSo: () => boolean): Promise<void> {
  let early: Ran | null = null;
  void running.ended.then((ran) => (early = ran));
  await until(() => early !== null || isSo(), startMs);
  expect(early).toBeNull();
  running.child.kill("SIGKILL");
  expect(await running.ended).toMatchObject({ code: null, out: "" });
}

const paid = (to: string) => bank.received.filter(({ args }) => args["to"] === to).length;

describe.each(["ai-sdk", "openai-agents", "langgraph", "mcp-client"])("%s", (name) => {
  test(
    "killed in its payments and in its thinking does each effect once, asks the model again for no answer it had, and ends",
    async () => {
      const run = name;
      bank.hold();
      await killWhen(start(name, run), () => paid(`${run}-0`) === 1 && paid(`${run}-1`) === 1);

      // Again: it joins the two payments under way, and dies while the model thinks about what they gave.
      model.holdAt(2);
      const second = start(name, run);
      await until(async () => (await attemptOf(run)) === 2, startMs);
      bank.release();
      await killWhen(second, () => model.countsOf(run)[2] === 1);
      model.release();

      // A changed program is stopped at the first thing that is not what it was, by name, before anything is done.
      const changed = await start(name, run, `Please pay the invoices of ${run}`).ended;
      expect(changed).toMatchObject({ code: 1, out: "" });
      expect(changed.err).toMatch(/step-mismatch|StepDrift/);
      expect(changed.err).toContain("model-1");

      const ended = await start(name, run).ended;
      expect(ended, ended.err).toMatchObject({ code: 0 });
      const said = JSON.parse(ended.out) as string;
      for (const invoice of [0, 1, 2]) {
        expect(paid(`${run}-${invoice}`)).toBe(1);
        expect(said).toContain(`"to":"${run}-${invoice}"`);
      }
      // The second answer was asked for twice, because it was on its way when the agent died.
      expect(model.countsOf(run)).toEqual({ 0: 1, 2: 2, 3: 1 });

      // And once more, when it is over: the same result, and nothing is done.
      expect(await start(name, run).ended).toMatchObject({ code: 0, out: ended.out });
      expect(model.countsOf(run)).toEqual({ 0: 1, 2: 2, 3: 1 });
    },
    patienceMs,
  );
});

test.each(["ai-sdk", "openai-agents", "langgraph"])(
  "%s goes on by itself when its node is killed while its model thinks, and another one starts on the same data",
  async (name) => {
    const run = `${name}-alone`;
    model.holdAt(2);
    const agent = start(name, run);
    await until(() => model.countsOf(run)[2] === 1, startMs);
    door.node = null;
    await node.kill9();
    model.release(); // what it says now is recorded when there is a node again
    await startNode();
    const ended = await agent.ended;
    expect(ended, ended.err).toMatchObject({ code: 0 });
    expect(model.countsOf(run)).toEqual({ 0: 1, 2: 1, 3: 1 });
    for (const invoice of [0, 1, 2]) expect(paid(`${run}-${invoice}`)).toBe(1);
    expect(await attemptOf(run)).toBe(1);
  },
  patienceMs,
);

test("the examples are sound by their types", () => {
  const compiler = join(root, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(compiler, ["-p", examples], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});

test("and at the end the ledger proves itself, with nothing left open", async () => {
  await node.stop();
  const ledger = await provenLedger(directory);
  expect(ledger.dispatched).toEqual([]);
  expect(ledger.unknown).toEqual([]);
});

async function attemptOf(run: string): Promise<unknown> {
  const response = await fetch(`${node.url}/api/v1/runs/${run}/state`, {
    headers: { authorization: `Bearer ${node.agentToken}` },
  });
  return ((await response.json()) as { readonly attempt?: unknown }).attempt;
}
