import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endOf, showRun, startHosted } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Dead letters of a whole node, and what people do with them. */
const bank = new CountingServer();
let directory: string;
let yaml: string;
let node: NodeProcess;
const mended = () => join(directory, "mended");
const mend = () => writeFileSync(mended(), "");
const breakAgain = () => rmSync(mended(), { force: true });

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  const module = fileURLToPath(new URL("../fixtures/hosted-mender.ts", import.meta.url));
  yaml = `
servers: { bank: { url: "${bank.url}" } }
agents:
  mender: { module: ${JSON.stringify(module)}, version: "1", startsMax: 2, env: { MENDED: ${JSON.stringify(mended())} } }
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
const deadOnes = async () =>
  (await node.admin<{ items: { run: string; deadReason: string }[] }>("GET", "/runs?state=dead")).body.items;
const paidBy = async (run: string) => {
  const { paid } = (await endOf(node, run)).result as { paid: string };
  return bank.received.filter(({ args }) => args["to"] === paid).map(({ args }) => args["amount"]);
};
const startDead = async (name: string) => {
  const run = await startHosted(node, "mender", { input: {}, name });
  await stateIs(run, "dead");
  return run;
};

test("a run that cannot go on is listed with its reason and last error; retried, it does what it had not done", async () => {
  const run = await startDead("closed");
  expect(await deadOnes()).toMatchObject([{ run, deadReason: "starts-used-up" }]);
  expect((await endOf(node, run)).reason).toMatch(/2 times in a row.*Error: the books are closed/);
  await until(async () => {
    const metrics = await (await fetch(`${node.url}/metrics`)).text();
    return /signalbox_runs_dead\{[^}]*tenant="default"[^}]*\} 1/.test(metrics);
  });
  // Nothing has been mended: it is dead again, and has its starts anew.
  expect((await node.admin("POST", `/runs/${run}/retry`, {})).status).toBe(200);
  await stateIs(run, "dead");
  mend();
  await node.admin("POST", `/runs/${run}/retry`, {});
  await stateIs(run, "finished");
  expect(await paidBy(run)).toEqual([1, 2]);
  expect(await deadOnes()).toEqual([]);
  breakAgain();
});

test("a run that is dropped has failed, and leaves the list", async () => {
  const run = await startDead("given-up");
  await node.admin("POST", `/runs/${run}/drop`, { reason: "paid by hand" });
  expect(await showRun(node, run)).toMatchObject({ state: "failed" });
  expect(await endOf(node, run)).toEqual({ reason: "paid by hand" });
  expect(await deadOnes()).toEqual([]);
});

test("killed with -9 after a death and after a retry, the next node has the letter, and goes on with the run", async () => {
  const run = await startDead("over-nights");
  await node.kill9();
  node = await NodeProcess.start({ directory, yaml });
  expect(await deadOnes()).toMatchObject([{ run }]);
  mend();
  expect((await node.admin("POST", `/runs/${run}/retry`, {})).status).toBe(200);
  await node.kill9();
  node = await NodeProcess.start({ directory, yaml });
  await until(async () => (await showRun(node, run)).state === "finished");
  expect(await paidBy(run)).toEqual([1, 2]);
  breakAgain();
});

test("a run at rest is resumed: its agent is started, sees that it is too early, and rests again", async () => {
  const run = await startHosted(node, "mender", { input: { napMs: 3_600_000 }, name: "naps" });
  const rests = async (attempt: number) => {
    const shown = await showRun(node, run);
    return shown.attempt === attempt && !shown.isAlive && shown.waitsFor[0]?.kind === "timer";
  };
  await until(() => rests(2));
  expect((await node.admin("POST", `/runs/${run}/resume`)).status).toBe(200);
  await until(() => rests(3));
  expect((await node.admin("POST", `/runs/${run}/cancel`, { reason: "enough" })).status).toBe(200);
  const late = await node.admin<{ error: { code: string } }>("POST", `/runs/${run}/resume`);
  expect(late.body.error.code).toBe("run-ended");
});
