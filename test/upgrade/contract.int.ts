import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contractStore } from "../../src/app/index.ts";
import { presentVersion, useTablesAhead } from "../fixtures/next-tables.ts";
import { Machine } from "../../src/cli/machine.fixture.ts";
import { metaKeys } from "../../contract/index.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";
import { Load } from "./load.fixture.ts";

/** The version after the next: it has given up what the next one has added. */
const version = presentVersion + 2;
useTablesAhead(2);

const machine = new Machine();
let bank: CountingServer;
let cluster: Postgres;
const onPostgres = newDirectory();
const onSqlite = newDirectory();
beforeAll(async () => {
  [bank, cluster] = await Promise.all([new CountingServer().start(), Postgres.start({ fsync: false })]);
});
afterAll(async () => {
  await machine.end();
  await bank.stop();
  await cluster.stop();
  removeDirectory(onPostgres);
  removeDirectory(onSqlite);
});

async function started(versionsAhead: 1 | 2, postgres: string | null): Promise<NodeProcess> {
  const yaml = `servers: { bank: { url: "${bank.url}", concurrencyMax: 200, tools: { look: { class: read } } } }\n`;
  const directory = postgres === null ? onSqlite : onPostgres;
  const node = await NodeProcess.start({ directory, postgres, versionsAhead, yaml });
  await node.toolsAre(["bank__pay"]);
  return node;
}

const isRefused = (postgres: string | null) =>
  expect(started(1, postgres)).rejects.toMatchObject({
    code: "store-version",
    message: expect.stringContaining(`use one of version ${version}`) as string,
  });

test("on PostgreSQL the data is contracted beside nodes under load, once no older one is at work; then older ones are refused", async () => {
  const url = await cluster.createDatabase();
  const contract = (isDry: boolean) =>
    contractStore({
      data: { directory: onPostgres, postgres: { url, hasLiteralPassword: false } },
      isDry,
      onRemoved: () => undefined,
    });
  const load = new Load();
  load.nodes.push(await started(1, url), await started(1, url));
  load.start();
  await load.goesOn();
  await load.replaceOldest(await started(2, url));
  await expect(contract(false)).rejects.toMatchObject({ code: "conflict" });
  await load.replaceOldest(await started(2, url));
  const looked = await contract(true);
  expect(looked).toMatchObject({ dataVersion: version, readerMin: version - 1, olderNodes: 0 });
  const back = await started(1, url); // before, one version back is fine
  await back.stop();

  const done = await contract(false);
  expect(done.remnants).toEqual(looked.remnants);
  expect(done.remnants.length).toBeGreaterThan(10);
  await load.goesOn();
  await isRefused(url);
  await load.replaceOldest(await started(2, url));

  await load.cameThrough(bank, url);
}, 240_000);

test("on SQLite an operator contracts the data while no node runs on it; before, one version back is fine, and afterwards refused", async () => {
  const preload = new URL("../fixtures/two-versions-ahead.ts", import.meta.url);
  const contract = (...more: readonly string[]) =>
    machine.run(["store", "contract", "--data", join(onSqlite, "data"), ...more], {
      env: { NODE_OPTIONS: `--import ${preload.href}` },
    });
  const receipts: Answer["receipt"][] = [];
  const pays = async (node: NodeProcess, step: string) => {
    const meta = { [metaKeys.run]: "payroll", [metaKeys.step]: step };
    const answer = await node.call("bank__pay", { to: step, amount: 1 }, { meta });
    expect(answer).toMatchObject({ isError: false, code: null });
    receipts.push(answer.receipt);
  };
  for (const [step, versionsAhead] of [
    ["sq-1", 1],
    ["sq-2", 2],
    ["sq-3", 1],
  ] as const) {
    const node = await started(versionsAhead, null);
    await pays(node, step);
    await node.stop();
  }
  const running = await started(2, null);
  const looked = JSON.parse((await contract("--json")).stdout) as { remnants: unknown[] };
  expect(looked).toMatchObject({ dataVersion: version, readerMin: version - 1, isDone: false });
  expect(looked.remnants.length).toBeGreaterThan(10);
  const refused = await contract("--yes");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("store-in-use")]);
  await running.stop();
  const back = await started(1, null); // nothing has been changed so far
  await back.kill9();
  const text = await contract("--no-json");
  expect(text.stdout).toContain(`version ${version - 1} is refused afterwards`);

  const done = await contract("--yes", "--json");
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({ isDone: true, remnants: looked.remnants });
  expect(done.stderr).toContain("removed table next");
  await isRefused(null);
  const node = await started(2, null);
  await pays(node, "sq-1"); // as it is on record
  await pays(node, "sq-4");
  await node.stop();
  expect((await contract("--no-json")).stdout).toContain("has given up nothing");
  const paid = bank.received.map(({ args }) => String(args["to"])).filter((to) => to.startsWith("sq-"));
  expect(paid).toEqual(["sq-1", "sq-2", "sq-3", "sq-4"]);
  await provenLedger(onSqlite, receipts);
}, 240_000);
