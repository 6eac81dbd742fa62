import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RunningAgent } from "../fixtures/agent-process.ts";
import { diaryOf, startProgram } from "../fixtures/agent-process.ts";
import { Door } from "../fixtures/door.ts";
import type { RunView } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { numbersOf, pointsOfRun } from "../fixtures/run-points.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import type { Part } from "../fixtures/walk.ts";

/**
 * A node dies by -9 at each numbered point of an attached run's life (ARCHITECTURE.md, "Where a node can die in a run"): its agent has a
 * process of its own, which goes on by itself with the next node, or has died too and is started again.
 */
const points = numbersOf(
  ({ does, part }) =>
    part !== "mend" && !["admin.run.start", "admin.run.cancel", "runs/started", "rest"].includes(does),
);

const bank = new CountingServer();
const door = new Door();
let directory: string;
let node: NodeProcess;

const diary = () => join(directory, "diary");
const walker = fileURLToPath(new URL("../fixtures/hosted-walker.ts", import.meta.url));
const start = async (): Promise<void> => {
  node = await NodeProcess.start({
    directory,
    yaml: `
servers: { bank: { url: "${bank.url}" } }
agents: { walker: { module: ${JSON.stringify(walker)}, version: "1" } }
`,
  });
  await node.toolsAre(["bank__pay"]);
};

beforeAll(async () => {
  await bank.start();
  await door.start();
});
afterAll(async () => {
  await door.stop();
  await bank.stop();
});

const startAgent = (name: string, part: Part): RunningAgent =>
  startProgram("walking-agent-program.ts", {
    url: door.url,
    token: node.agentToken,
    order: { name, part, diary: diary() },
  });

const found = async (name: string): Promise<RunView | undefined> =>
  (await node.admin<{ items: RunView[] }>("GET", "/runs?limit=200")).body.items.find(
    (run) => run.name === name,
  );
const standsIn = (name: string) => until(async () => (await found(name))?.waitsFor[0]?.kind === "signal");
/** Null = the connection was lost. */
const signal = async (name: string): Promise<number | null> =>
  node.admin("POST", `/runs/${(await found(name))?.run}/signals/go`, {}).then(
    ({ status }) => status,
    () => null,
  );
const paidTo = (whom: string): readonly unknown[] =>
  bank.received.filter(({ args }) => args["to"] === whom).map(({ args }) => args["amount"]);

describe.each([
  { what: "goes on by itself", isKilled: false },
  { what: "is killed too, and started again", isKilled: true },
])("an attached agent that $what when its node is killed", ({ isKilled }) => {
  beforeAll(async () => {
    directory = newDirectory();
    writeFileSync(diary(), "");
    bank.received.length = 0;
    await start();
    door.node = node;
  });
  beforeEach(async () => {
    if (!node.isUp) await start();
    door.node = node;
  });
  afterAll(async () => {
    if (node.isUp) await node.stop();
    removeDirectory(directory);
  });

  test.each(points)("at point %i", { timeout: 120_000 }, async (at) => {
    const point = pointsOfRun[at];
    if (point === undefined || point.part === "mend") throw new Error(`there is no point ${at}`);
    const { does, when, step, isOfChild, part } = point;
    const name = `at-${at}`;
    const run = isOfChild === true ? `${name}.hand` : name;
    await node.dieAt({ run, does, when, ...(step === undefined ? {} : { step }) });
    let agent = startAgent(name, part);
    if (does === "admin.run.signal" || does === "steps/signal") {
      await standsIn(name);
      await signal(name);
    }
    await node.dead();
    door.node = null;
    if (isKilled) {
      agent.child.kill("SIGKILL");
      await agent.ended;
    }
    const before = paidTo(name);
    await start();
    const left = await found(name);
    expect(left?.state).toBe(at === 22 ? "finished" : "open");
    door.node = node;
    if (isKilled) agent = startAgent(name, part);
    // Who was not told that the signal is on record says it again, and hears that it is.
    if (part === "signal") {
      if (at === 10 || at === 11) expect(await signal(name)).toBe(200);
      if (at === 12) expect([409, 200]).toContain(await signal(name));
    }
    expect(await agent.ended).toEqual({ result: name, error: null });

    expect(paidTo(name)).toEqual([1, 2]);
    expect(before).toEqual(at === 4 ? [] : at >= 21 ? [1, 2] : [1]);
    const ended = await found(name);
    // A process that lives attaches once, unless it was not told that it had; another one attaches anew while the run is open.
    expect(ended?.attempt).toBe(at === 22 || (!isKilled && at !== 4) ? 1 : 2);
    if (part === "child") expect(paidTo(`${name}.hand`)).toEqual([1, 2]);
    const ran = diaryOf(diary()).filter((line) => line.startsWith(`${name} `));
    // What was lost before it was on record is made again by who has forgotten it.
    if (part === "value") expect(ran).toHaveLength(at === 5 && isKilled ? 2 : 1);
    if (part === "turn") expect(ran).toEqual([`${name} asked with 2`, `${name} asked with 1`]);
  });

  test("and in the end the ledger proves itself, each step stands in it once, and nothing is left open", async () => {
    await node.stop();
    const ledger = await provenLedger(directory);
    expect(ledger.dispatched).toEqual([]);
    expect(ledger.unknown).toEqual([]);
    const steps = ledger.entries
      .filter(({ kind }) => kind === "step")
      .map(({ run, step }) => `${run} ${step}`);
    expect(new Set(steps).size).toBe(steps.length);
    expect(ledger.entries.filter(({ method }) => method === "runs/memory")).toHaveLength(1);
  });
});
