import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makePerson, paymentsAreApproved, setPolicies } from "../fixtures/approvals.ts";
import { endOf, showRun, startHosted, workersOf } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Runs that a whole node starts, drives in a process of its own, and parks. */
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;

const moduleOf = (name: string) =>
  JSON.stringify(fileURLToPath(new URL(`../fixtures/${name}.ts`, import.meta.url)));
const yaml = (agents: string) => `
servers:
  bank: { url: "${bank.url}" }
  till: { url: "${bank.url}", tools: { pay: { class: idempotent, keyArgument: to } } }
agents: ${agents}
`;
const first = () => yaml(`{ payer: { module: ${moduleOf("hosted-payer")}, version: "1", startsMax: 3 } }`);

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  node = await NodeProcess.start({ directory, yaml: first() });
  await node.toolsAre(["bank__pay"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

const stateIs = (run: string, state: string) => until(async () => (await showRun(node, run)).state === state);
/** How often each amount of a payer arrived at the bank, in order. */
const amountsTo = (id: unknown) =>
  bank.received.filter(({ args }) => args["to"] === id).map(({ args }) => args["amount"]);
const paidBy = async (run: string) => ((await endOf(node, run)).result as { paid: string; by: string }).paid;

describe("a hosted agent", () => {
  test("is a principal of its own, and drives a run to its end with what it was given", async () => {
    const run = await startHosted(node, "payer", { input: { payments: 3 }, name: "plain" });
    await stateIs(run, "finished");
    expect(await showRun(node, run)).toMatchObject({ name: "plain", hook: "payer@1", attempt: 2 });
    expect(amountsTo(await paidBy(run))).toEqual([1, 2, 3]);
    expect((await node.admin("GET", "/agents/payer")).status).toBe(200);
    expect(workersOf(node)).toHaveLength(1);
  });

  test("is started once by a name", async () => {
    const again = await node.admin("POST", "/agents/payer/runs", { name: "plain" });
    expect(again).toMatchObject({ status: 409, body: { error: { code: "conflict" } } });
    const nobody = await node.admin("POST", "/agents/nobody/runs", {});
    expect(nobody.status).toBe(404);
  });

  test("whose run waits for a signal leaves the process, and goes on when it comes", async () => {
    const run = await startHosted(node, "payer", { input: { payments: 2, signal: "go" } });
    await until(
      async () => !(await showRun(node, run)).isAlive && (await showRun(node, run)).waitsFor.length === 1,
    );
    await node.admin("POST", `/runs/${run}/signals/go`, {});
    await stateIs(run, "finished");
    expect(amountsTo(await paidBy(run))).toEqual([1, 2]);
    expect((await showRun(node, run)).attempt).toBe(3);
  });

  test("that throws is started again with pauses, and its run is dead in the end, with what it threw", async () => {
    const run = await startHosted(node, "payer", { input: { payments: 2, throwBefore: 2 } });
    await stateIs(run, "dead");
    const { reason } = await endOf(node, run);
    expect(reason).toMatch(/started 3 times in a row and did not get on: Error: payment 2 is beyond me/);
    const { body } = await node.admin<{ items: { method: string; run: string }[] }>(
      "GET",
      "/audit/entries?kind=run&limit=200",
    );
    const methods = body.items.filter((entry) => entry.run === run).map(({ method }) => method);
    // The first start has paid once, so it got on, and counts no more; three more have led to nothing, the last for good.
    const count = (method: string) => methods.filter((each) => each === method).length;
    expect([count("runs/started"), count("runs/lost"), count("runs/dead")]).toEqual([4, 3, 1]);
  });

  test("that is dead is given another try elsewhere: a fork is given back its steps, and pays only what it had not", async () => {
    const failed = (await node.admin<{ items: { run: string }[] }>("GET", "/runs?state=dead")).body.items[0]
      ?.run;
    const fork = async (body: unknown) =>
      (await node.admin<{ run: string; kept: number }>("POST", `/runs/${failed}/fork`, body)).body;
    // The same program throws again, and pays nothing a second time.
    const { run, kept } = await fork({});
    expect(kept).toBe(3);
    await stateIs(run, "dead");
    const [first] = bank.received.filter(({ args }) => args["amount"] === 1).slice(-1);
    expect(amountsTo(first?.args["to"])).toEqual([1]);
    // From a step on, it is done anew.
    const anew = await fork({ from: "pay-1", name: "once-more" });
    expect(anew.kept).toBe(2);
    await until(() => amountsTo(first?.args["to"]).length === 2);
    expect((await node.admin("POST", `/runs/${failed}/fork`, { from: "no-such" })).status).toBe(400);
  });

  test("whose run is cancelled stops with its next step", async () => {
    const run = await startHosted(node, "payer", { input: { payments: 1_000, napMs: 200 } });
    await until(async () => (await showRun(node, run)).isAlive);
    await node.admin("POST", `/runs/${run}/cancel`, { reason: "enough" });
    const before = bank.count("pay");
    await startHosted(node, "payer", {
      input: { payments: 1 },
      name: "after the cancelled one".replaceAll(" ", "-"),
    });
    await until(() => bank.count("pay") > before);
    expect((await showRun(node, run)).state).toBe("cancelled");
  });
});

describe("killed with -9", () => {
  test("its process, again and again, every run goes on, and no payment is lost or made twice", async () => {
    const runs = await Promise.all(
      Array.from({ length: 20 }, () => startHosted(node, "payer", { input: { payments: 6, napMs: 150 } })),
    );
    for (let kills = 0; kills < 4; kills++) {
      const paid = bank.count("pay");
      await until(() => bank.count("pay") > paid + 10);
      for (const pid of workersOf(node)) process.kill(pid, "SIGKILL");
    }
    for (const run of runs) await stateIs(run, "finished");
    for (const run of runs) expect(amountsTo(await paidBy(run))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("its node, in the middle of payments and while runs wait, the process ends as well, and the next node goes on with every run", async () => {
    // Of these, calls are under way when the node dies: they can be sent again, each under its own key.
    const busy = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        startHosted(node, "payer", { input: { payments: 40, tool: "till__pay", above: 1_000 * (n + 1) } }),
      ),
    );
    const ofBusy = () => bank.received.filter(({ args }) => Number(args["amount"]) > 1_000);
    const runs = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        startHosted(node, "payer", { input: { payments: 2, napMs: n < 5 ? 3_000 : 1, signal: "go" } }),
      ),
    );
    const isWaiting = async (run: string) =>
      (await showRun(node, run)).waitsFor.some(({ kind }) => kind === "signal");
    for (const run of runs) await until(() => isWaiting(run));
    const [worker] = workersOf(node);
    busy.push(
      await startHosted(node, "payer", { input: { payments: 400, tool: "till__pay", above: 9_000 } }),
    );
    await until(() => ofBusy().some(({ args }) => Number(args["amount"]) > 9_020));
    await node.kill9();
    await until(() => !isUp(worker ?? 0));
    node = await NodeProcess.start({ directory, yaml: first() });
    for (const run of runs) await node.admin("POST", `/runs/${run}/signals/go`, {});
    for (const run of runs) await stateIs(run, "finished");
    for (const run of runs) expect(amountsTo(await paidBy(run))).toEqual([1, 2]);
    for (const run of busy) await stateIs(run, "finished");
    const keys = new Map<unknown, Set<unknown>>();
    for (const { args } of ofBusy())
      keys.set(args["amount"], (keys.get(args["amount"]) ?? new Set()).add(args["to"]));
    expect(keys.size).toBe(8 * 40 + 400);
    expect([...keys.values()].filter(({ size }) => size > 1)).toEqual([]);
  });
});

describe("a new version of the agent", () => {
  test("drives new runs, and the old one those that began with it, as long as it is there", async () => {
    const run = await startHosted(node, "payer", { input: { payments: 2, signal: "go" } });
    const orphan = await startHosted(node, "payer", { input: { payments: 2, signal: "go" } });
    const both = `{ payer: { module: ${moduleOf("hosted-payer-2")}, version: "2", versions: { "1": ${moduleOf("hosted-payer")} } } }`;
    const isWaiting = async (of: string) => (await showRun(node, of)).waitsFor.length === 1;
    await until(async () => (await isWaiting(run)) && (await isWaiting(orphan)));
    await node.stop();
    node = await NodeProcess.start({ directory, yaml: yaml(both) });
    const next = await startHosted(node, "payer", { input: { payments: 1 } });
    await node.admin("POST", `/runs/${run}/signals/go`, {});
    await stateIs(next, "finished");
    await stateIs(run, "finished");
    expect(await endOf(node, next)).toMatchObject({ result: { by: "version 2" } });
    expect(await endOf(node, run)).toMatchObject({ result: { by: "version 1" } });

    await node.stop();
    const onlyNew = `{ payer: { module: ${moduleOf("hosted-payer-2")}, version: "2" } }`;
    node = await NodeProcess.start({ directory, yaml: yaml(onlyNew) });
    await node.admin("POST", `/runs/${orphan}/signals/go`, {});
    await until(() => node.log.includes("payer@1"));
    expect(await showRun(node, orphan)).toMatchObject({ state: "open", hook: "payer@1", isOrphan: true });
  });
});

describe("a call that people decide about", () => {
  test("parks its run, which names them, and the decision has it go on", async () => {
    await setPolicies(node, paymentsAreApproved);
    const vera = await makePerson(node, "vera", ["finance"]);
    const run = await startHosted(node, "payer", { input: { payments: 1 } });
    await until(async () => {
      const { waitsFor, isAlive } = await showRun(node, run);
      return waitsFor[0]?.kind === "approval" && !isAlive;
    });
    const [wait] = (await showRun(node, run)).waitsFor;
    expect(wait?.groups).toEqual(["finance"]);
    await vera.decide(wait?.approval ?? "", "approve");
    await stateIs(run, "finished");
    expect(amountsTo(await paidBy(run))).toEqual([1]);
  });
});

function isUp(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
