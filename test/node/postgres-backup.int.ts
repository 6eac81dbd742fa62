import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Machine } from "../../src/cli/machine.fixture.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** The same installation in a directory, in PostgreSQL, in a backup, and back. */
let bank: CountingServer;
let cluster: Postgres;
let machine: Machine;
let directory: string;
let elsewhere: string;
let beside: string;
let url: string;
beforeAll(async () => {
  [bank, cluster] = await Promise.all([new CountingServer().start(), Postgres.start({ fsync: false })]);
  machine = new Machine();
  url = await cluster.createDatabase();
  directory = newDirectory();
  elsewhere = newDirectory();
  beside = newDirectory();
  mkdirSync(data(beside));
});
afterAll(async () => {
  await machine.end();
  await bank.stop();
  await cluster.stop();
  removeDirectory(directory);
  removeDirectory(elsewhere);
  removeDirectory(beside);
});

const start = async (at: string, postgres?: string) => {
  const yaml = `servers:\n  bank: { url: "${bank.url}" }\n`;
  const node = await NodeProcess.start({
    directory: at,
    yaml,
    ...(postgres === undefined ? {} : { postgres }),
  });
  await node.toolsAre(["bank__pay"]);
  return node;
};
const pay = (node: NodeProcess, name: string): Promise<Answer> =>
  node.call(
    "bank__pay",
    { to: name, amount: 1 },
    { meta: { [metaKeys.run]: "payroll", [metaKeys.step]: name } },
  );
const data = (at: string) => join(at, "data");
const run = async (args: readonly string[], env: Record<string, string> = {}) => {
  const ran = await machine.run(args, { env });
  expect([ran.code, ran.stderr]).toEqual([0, ran.stderr]);
  return ran;
};
const receipts: Answer["receipt"][] = [];

test("a store moved from a directory to PostgreSQL is the same installation", async () => {
  const before = await start(directory);
  for (const answer of await Promise.all(Array.from({ length: 30 }, (_, n) => pay(before, `s-${n}`))))
    receipts.push(answer.receipt);
  await before.stop();
  const moved = await run(["store", "move", "--from", data(directory), "--to", url, "--json"]);
  expect(JSON.parse(moved.stdout)).toMatchObject({ proven: expect.any(Number) as number });
  const twice = await machine.run(["store", "move", "--from", data(directory), "--to", url]);
  expect(twice.stderr).toContain("was moved to");

  const node = await start(directory, url);
  const received = bank.received.length;
  const again = await Promise.all(receipts.map((_, n) => pay(node, `s-${n}`)));
  expect(again.map(({ receipt }) => receipt)).toEqual(receipts);
  expect(bank.received.length).toBe(received);
  expect(await pay(node, "on-postgres")).toMatchObject({ isError: false });
  await node.stop();
});

test("a node on PostgreSQL is backed up while it works, and restored to a directory and to another database", async () => {
  const key = join(machine.work, "backup.key");
  writeFileSync(join(machine.work, "backup.pub"), (await run(["backup", "key", "--to", key])).stdout);
  const node = await start(directory, url);
  const file = join(machine.work, "pg.sbx");
  const env = { SIGNALBOX_URL: node.url, SIGNALBOX_TOKEN: node.systemKey };
  const traffic = { isOn: true, count: 0 };
  const paying = (async () => {
    for (let n = 0; traffic.isOn; n++) {
      await pay(node, `traffic-${n}`);
      traffic.count++;
    }
  })();
  await run(["backup", "create", "--to", file, "--recipient", join(machine.work, "backup.pub")], env);
  traffic.isOn = false;
  await paying;
  expect(traffic.count).toBeGreaterThan(0);
  await pay(node, "lost");
  await node.kill9();

  const keys = ["--backup-key", key, "--node-key", join(data(directory), "node.key"), "--place-node-key"];
  await run(["restore", file, "--to", data(elsewhere), ...keys]);
  const other = await cluster.createDatabase();
  await run(["store", "move", "--from", data(elsewhere), "--to", other]);
  // Two that start on it at the same moment begin one review.
  copyFileSync(join(data(elsewhere), "node.key"), join(data(beside), "node.key"));
  const [restored, second] = await Promise.all([start(elsewhere, other), start(beside, other)]);
  await second.stop();
  const received = bank.received.length;
  expect(await pay(restored, "lost")).toMatchObject({ code: "run-in-review", effect: "unknown" });
  expect((await restored.admin("GET", "/review")).body).toMatchObject({ review: { reason: "restored" } });
  await restored.admin("POST", "/review/release", { reason: "looked" });
  const again = await Promise.all(receipts.map((_, n) => pay(restored, `s-${n}`)));
  expect(again.map(({ receipt }) => receipt)).toEqual(receipts);
  expect(bank.received.length).toBe(received);
  await restored.stop();
});

test("a database brought back to a point in time is found by what the node remembers", async () => {
  const name = new URL(url).pathname.slice(1);
  await cluster.sql(`CREATE DATABASE earlier TEMPLATE "${name}"`);
  const node = await start(directory, url);
  expect(await pay(node, "since")).toMatchObject({ isError: false });
  await node.stop();
  const earlier = new URL(url);
  earlier.pathname = "/earlier";
  const received = bank.received.length;
  const back = await start(directory, String(earlier));
  expect(await pay(back, "since")).toMatchObject({ code: "run-in-review", effect: "unknown" });
  expect((await back.admin("GET", "/review")).body).toMatchObject({ review: { reason: "short" } });
  expect(bank.received.length).toBe(received);
  await back.stop();
});
