import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../sdk/index.ts";
import type { Work } from "../fixtures/hosted-boss.ts";
import { endOf, showRun, startHosted, workersOf } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Runs that start other runs, over whole nodes and the processes that drive them, killed where it hurts. */
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;

const moduleOf = (name: string) =>
  JSON.stringify(fileURLToPath(new URL(`../fixtures/${name}.ts`, import.meta.url)));
const start = async () => {
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  bank: { url: "${bank.url}" }
  till: { url: "${bank.url}", tools: { pay: { class: idempotent, keyArgument: to } } }
agents:
  payer: { module: ${moduleOf("hosted-payer")}, version: "1", startsMax: 2 }
  boss: { module: ${moduleOf("hosted-boss")}, version: "1" }
`,
  });
};

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  await start();
  await node.toolsAre(["bank__pay", "till__pay"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

interface Family {
  readonly run: string;
  readonly name: string;
  readonly state: string;
  readonly hook: string;
  readonly principals: readonly string[];
  readonly children: number;
  readonly parent: { readonly run: string; readonly step: string } | null;
}
const familyOf = async (run: string) =>
  (await node.admin<{ items: Family[] }>("GET", `/runs/${run}/children`)).body.items;
const show = async (run: string) => (await node.admin<Family>("GET", `/runs/${run}`)).body;
const stateIs = (run: string, state: string) => until(async () => (await showRun(node, run)).state === state);
const bossOf = (work: Work, name?: string) =>
  startHosted(node, "boss", { input: work, ...(name === undefined ? {} : { name }) });
const amountsTo = (id: unknown) =>
  bank.received.filter(({ args }) => args["to"] === id).map(({ args }) => args["amount"]);

interface Gave {
  readonly paid: string;
  readonly gave: readonly { readonly paid?: string; readonly failed?: string }[];
}
const resultOf = async (run: string) => (await endOf(node, run)).result as Gave;

describe("a run that starts others from its steps", () => {
  test("is given what they give, all at once, done in its own name", async () => {
    const run = await bossOf({ orders: [{ payments: 2 }, { payments: 1 }] }, "feast");
    await stateIs(run, "finished");
    const { paid, gave } = await resultOf(run);
    expect(gave.map((each) => amountsTo(each.paid))).toEqual([[1, 2], [1]]);
    expect(amountsTo(paid)).toEqual([1]);
    const boss = await show(run);
    const children = await familyOf(run);
    expect(children.map(({ name }) => name).toSorted()).toEqual(["feast.hand-0", "feast.hand-1"]);
    for (const child of children) {
      expect(child).toMatchObject({ hook: "payer@1", state: "finished", principals: boss.principals });
      expect(child.parent).toMatchObject({ run });
    }
    expect(boss).toMatchObject({ children: 2, parent: null });
  });

  test("is out of memory while it waits for them, and stands in front of them by name", async () => {
    const run = await bossOf({ orders: [{ payments: 1, signal: "go" }] }, "patience");
    await until(async () => {
      const { isAlive, waitsFor } = await showRun(node, run);
      return !isAlive && waitsFor[0]?.kind === "child";
    });
    const [child] = await familyOf(run);
    await until(async () => (await showRun(node, child?.run ?? "")).waitsFor[0]?.kind === "signal");
    await node.admin("POST", `/runs/${child?.run}/signals/go`, {});
    await stateIs(run, "finished");
  });

  test("hears why one failed, and goes on with it or fails with the reason", async () => {
    const broken = { payments: 1, throwBefore: 1 };
    const patient = await bossOf({ orders: [broken, { payments: 1 }], isPatient: true });
    const other = await bossOf({ orders: [broken] });
    // One that cannot go on is no failed one: its parent waits for what a person makes of it.
    for (const parent of [patient, other]) {
      const isDead = async () => (await familyOf(parent)).find(({ state }) => state === "dead");
      await until(async () => (await isDead()) !== undefined);
      const dropped = await node.admin("POST", `/runs/${(await isDead())?.run}/drop`, {
        reason: "it is beyond us",
      });
      expect(dropped.status).toBe(200);
    }
    await stateIs(patient, "finished");
    await stateIs(other, "failed");
    expect((await resultOf(patient)).gave[0]?.failed).toMatch(/beyond us/);
    expect((await endOf(node, other)).reason).toMatch(/^the child run ".*\.hand-0" has failed: .*beyond us/);
  });

  test("can be attached, from wherever its agent lives", async () => {
    const box = connect({ url: node.url, token: node.agentToken });
    const work = () =>
      box.run("from-afar", (step) => step.child<{ paid: string }>("hand", "payer", { payments: 2 }));
    const { paid } = await work();
    expect(amountsTo(paid)).toEqual([1, 2]);
    expect(await work()).toEqual({ paid, by: "version 1" });
  });
});

describe("whatever ends a run", () => {
  const isWaiting = async (run: string) => {
    const children = await familyOf(run);
    if (children.length === 0) return false;
    const shown = await Promise.all(children.map((child) => showRun(node, child.run)));
    return shown.every(({ waitsFor }) => waitsFor[0]?.kind === "signal");
  };

  test("by a person, ends what it has started, also when the node dies right then", async () => {
    const order = { payments: 1, signal: "never" };
    const run = await bossOf({ orders: Array.from({ length: 5 }, () => order) });
    await until(() => isWaiting(run));
    await node.admin("POST", `/runs/${run}/cancel`, { reason: "enough" });
    await node.kill9();
    await start();
    const children = await familyOf(run);
    expect(children).toHaveLength(5);
    for (const child of children) await stateIs(child.run, "cancelled");
    const { reason } = await endOf(node, children[0]?.run ?? "");
    expect(reason).toMatch(/^the run that started it, ".*", is cancelled$/);
  });

  test("by itself, leaves those that were started to be left", async () => {
    const order = { payments: 1, signal: "go" };
    const run = await bossOf({ orders: [order], isHasty: true, atParentEnd: "leave" });
    await stateIs(run, "finished");
    const gone = await bossOf({ orders: [order], isHasty: true });
    await stateIs(gone, "finished");
    const [child] = await familyOf(gone);
    await stateIs(child?.run ?? "", "cancelled");
    const [left] = await familyOf(run);
    await node.admin("POST", `/runs/${left?.run}/signals/go`, {});
    await stateIs(left?.run ?? "", "finished");
  });
});

describe("killed with -9 between the start of a child and its end", () => {
  const orders = Array.from({ length: 4 }, (_, n) => ({
    payments: 6,
    napMs: n < 2 ? 1_200 : 100,
    tool: "till__pay",
    above: 100,
  }));
  const isDone = async (run: string) => {
    await stateIs(run, "finished");
    expect(await familyOf(run)).toHaveLength(orders.length);
    const { paid, gave } = await resultOf(run);
    for (const each of gave)
      expect([...new Set(amountsTo(each.paid))]).toEqual([101, 102, 103, 104, 105, 106]);
    expect(amountsTo(paid)).toEqual([1]);
  };

  test("the processes that drive them, again and again: each step has started one run, and nothing is lost", async () => {
    const runs = [await bossOf({ orders }), await bossOf({ orders })];
    for (let kills = 0; kills < 5; kills++) {
      const before = bank.count("pay");
      await until(() => bank.count("pay") > before + 3);
      for (const pid of workersOf(node)) process.kill(pid, "SIGKILL");
    }
    for (const run of runs) await isDone(run);
  });

  test("the node: the next one goes on with parent and children", async () => {
    const run = await bossOf({ orders });
    for (let kills = 0; kills < 2; kills++) {
      const before = bank.count("pay");
      await until(() => bank.count("pay") > before + 2);
      await node.kill9();
      await start();
    }
    await isDone(run);
  });
});
