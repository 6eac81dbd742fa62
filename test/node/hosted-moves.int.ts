import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Fleet } from "../fixtures/fleet.ts";
import { endOf, showRun, startHosted, workersOf } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Where hosted runs go when the node that drives them dies, or has not their agent's version. */
let bank: CountingServer;
let cluster: Postgres;
beforeAll(async () => {
  [bank, cluster] = await Promise.all([new CountingServer().start(), Postgres.start({ fsync: false })]);
});
afterAll(async () => {
  await bank.stop();
  await cluster.stop();
});

const moduleOf = (name: string) =>
  JSON.stringify(fileURLToPath(new URL(`../fixtures/${name}.ts`, import.meta.url)));
/** A payment that is under way when its node dies can be sent again. */
const yamlOf = (payer: string) =>
  `servers: { till: { url: "${bank.url}", tools: { pay: { class: idempotent, keyArgument: to } } } }\nagents: { payer: ${payer} }\n`;
const first = () => yamlOf(`{ module: ${moduleOf("hosted-payer")}, version: "1" }`);
const both = () =>
  yamlOf(
    `{ module: ${moduleOf("hosted-payer-2")}, version: "2", versions: { "1": ${moduleOf("hosted-payer")} } }`,
  );

/** Many short naps in its process: it is driven for as long as the test needs it to be. */
const longWork = { payments: 1_000, napMs: 300, tool: "till__pay" };
const paid = () => bank.received.length;

/** Entries of this kind of the run's, with what is noted in them. */
async function reasonsOf(node: NodeProcess, run: string, method: string): Promise<readonly string[]> {
  const { body } = await node.admin<{ items: { id: string; method: string; run: string }[] }>(
    "GET",
    "/audit/entries?kind=run&limit=500",
  );
  const own = body.items.filter((entry) => entry.run === run && entry.method === method);
  return Promise.all(
    own.map(async ({ id }) => {
      const at = `/runs/${run}/entries/${id}/payload`;
      const { body } = await node.admin<{ payload: { note?: { reason?: string } } }>("GET", at);
      return body.payload.note?.reason ?? "";
    }),
  );
}

/** It pays again, driven by whoever. */
async function goesOn(): Promise<void> {
  const before = paid();
  await until(() => paid() > before);
}

describe("two nodes on one database", () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = new Fleet(await cluster.createDatabase());
    await fleet.start([0, 1], { yaml: first() });
    for (const number of [0, 1]) await fleet.node(number).toolsAre(["till__pay"]);
  });
  afterAll(() => fleet.stop());

  test("what a killed node drove is given up when its lease is, and driven by the other", async () => {
    const run = await startHosted(fleet.node(0), "payer", { input: longWork });
    await goesOn();
    const driver = [0, 1].find((number) => workersOf(fleet.node(number)).length > 0) ?? 0;
    const survivor = fleet.node(1 - driver);
    await fleet.node(driver).kill9();
    await until(() => survivor.log.includes("a node fell silent"));
    expect(survivor.log).toMatch(/"runs":1,.*a node fell silent/);
    // Not because its agent had said nothing for long enough: it is on record why it was started again.
    await until(async () => (await reasonsOf(survivor, run, "runs/lost")).length > 0);
    expect(await reasonsOf(survivor, run, "runs/lost")).toEqual([`its node node-${driver} has died`]);
    await goesOn();
    expect(workersOf(survivor)).toHaveLength(1);
  });
});

test("in a rolling upgrade of an agent, runs of the new version are driven by the node that has it", async () => {
  const fleet = new Fleet(await cluster.createDatabase());
  try {
    await fleet.start([0], { yaml: first() });
    await fleet.start([1], { yaml: both() });
    for (const number of [0, 1]) await fleet.node(number).toolsAre(["till__pay"]);
    const upgraded = fleet.node(1);
    // Each leaves its process a few times, so both nodes find it due a few times.
    const order = { input: { payments: 4, napMs: 1_100, tool: "till__pay" } };
    const runs = await Promise.all(Array.from({ length: 8 }, () => startHosted(upgraded, "payer", order)));
    for (const run of runs) {
      await until(async () => (await showRun(upgraded, run)).state === "finished");
      expect(await endOf(upgraded, run)).toMatchObject({ result: { by: "version 2" } });
    }
    expect(fleet.node(0).log).not.toContain("no hook");
  } finally {
    await fleet.stop();
  }
}, 120_000);

test("on one machine the next process of a killed node goes on with what it drove, as it starts", async () => {
  const directory = newDirectory();
  const start = async () => {
    const node = await NodeProcess.start({ directory, yaml: first() });
    await node.toolsAre(["till__pay"]);
    return node;
  };
  try {
    const node = await start();
    const run = await startHosted(node, "payer", { input: longWork });
    await goesOn();
    await node.kill9();
    const next = await start();
    expect(await reasonsOf(next, run, "runs/lost")).toEqual(["its node local has died"]);
    await goesOn();
    await next.stop();
  } finally {
    removeDirectory(directory);
  }
});
