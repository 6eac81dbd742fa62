import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endOf, showRun, startHosted } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** What the configuration says of an agent's runs, in a whole node. */
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  const module = fileURLToPath(new URL("../fixtures/hosted-payer.ts", import.meta.url));
  const yaml = `
servers: { bank: { url: "${bank.url}" } }
agents:
  payer:
    module: ${JSON.stringify(module)}
    version: "1"
    retries: { max: 0 }
    deadline: 2s
    input:
      defaults: { payments: 1 }
      schema: { type: object, properties: { payments: { type: integer, maximum: 400 } } }
`;
  node = await NodeProcess.start({ directory, yaml });
  await node.toolsAre(["bank__pay"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

const stateIs = (run: string, state: string) => until(async () => (await showRun(node, run)).state === state);

test("a run that is started without an input gets the defaults, and one that does not fit is not started", async () => {
  const run = await startHosted(node, "payer", {});
  await stateIs(run, "finished");
  const { paid } = (await endOf(node, run)).result as { paid: string };
  expect(bank.received.filter(({ args }) => args["to"] === paid)).toHaveLength(1);
  const before = (await node.admin<{ items: unknown[] }>("GET", "/runs")).body.items.length;
  for (const input of [{ payments: 401 }, { payments: "two" }, [1]]) {
    const refused = await node.admin<{ error: { code: string } }>("POST", "/agents/payer/runs", { input });
    expect([refused.status, refused.body.error.code]).toEqual([400, "invalid-params"]);
  }
  expect((await node.admin<{ items: unknown[] }>("GET", "/runs")).body.items).toHaveLength(before);
});

test("a run has its agent's deadline, unless its start says another, and so has a fork", async () => {
  const waits = { payments: 1, signal: "go" };
  const run = await startHosted(node, "payer", { input: waits });
  const longer = await startHosted(node, "payer", { input: waits, deadlineMs: 3_600_000 });
  const { body } = await node.admin<{ run: string }>("POST", `/runs/${longer}/fork`, {});
  await stateIs(run, "failed");
  expect((await endOf(node, run)).reason).toBe("its deadline passed");
  await stateIs(body.run, "failed");
  expect((await showRun(node, longer)).state).toBe("open");
});

test("an agent whose retries are none is not started again: the run is dead with its first loss", async () => {
  const input = { payments: 2, throwBefore: 2 };
  const run = await startHosted(node, "payer", { input, deadlineMs: 3_600_000 });
  await stateIs(run, "dead");
  expect(await showRun(node, run)).toMatchObject({ deadReason: "retries-used-up", attempt: 2 });
  expect((await endOf(node, run)).reason).toMatch(/lost once, .*payment 2 is beyond me/);
});
