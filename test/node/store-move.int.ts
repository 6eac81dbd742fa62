import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Machine } from "../../src/cli/machine.fixture.ts";
import { verifyReceipt } from "../../src/ledger/index.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let machine: Machine;
let from: string;
let to: string;
beforeAll(async () => {
  bank = await new CountingServer().start();
  machine = new Machine();
  from = newDirectory();
  to = newDirectory();
});
afterAll(async () => {
  await machine.end();
  await bank.stop();
  removeDirectory(from);
  removeDirectory(to);
});

const start = async (directory: string) => {
  const node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
  return node;
};
const step = (name: string) => ({ meta: { [metaKeys.run]: "payroll", [metaKeys.step]: name } });
const pay = (node: NodeProcess, name: string) => node.call("bank__pay", { to: name, amount: 1 }, step(name));
const move = () => {
  const target = relative(machine.work, join(to, "data"));
  return machine.run(["store", "move", "--from", join(from, "data"), "--to", target, "--json"]);
};
const receiptOf = async (node: NodeProcess, entry: string): Promise<string> => {
  const path = `/api/v1/receipts/${encodeURIComponent(entry)}`;
  await until(async () => (await node.page(path)).status === 200);
  return (await node.page(path)).text;
};

test("a moved store is the same installation: receipts, steps and all go on, and the old place starts no more", async () => {
  const first = await start(from);
  const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => pay(first, `s-${n}`)));
  const receipt = await receiptOf(first, answers[7]?.receipt?.entry ?? "");
  const verifierKey = (await first.page("/api/v1/audit/key")).text;

  const running = await move();
  expect([running.code, running.stderr]).toEqual([1, expect.stringContaining("store-in-use")]);
  expect(existsSync(join(to, "data"))).toBe(false);
  await first.stop();

  const moved = await move();
  expect(moved.stderr).toBe("");
  expect(JSON.parse(moved.stdout)).toMatchObject({ proven: expect.any(Number) as number });
  expect((await move()).stderr).toContain(`was moved to ${join(to, "data")}:`);
  await expect(start(from)).rejects.toMatchObject({ code: "config-invalid" });

  const second = await start(to);
  const received = bank.received.length;
  const again = await Promise.all(answers.map((_, n) => pay(second, `s-${n}`)));
  expect(again.map(({ receipt }) => receipt)).toEqual(answers.map(({ receipt }) => receipt));
  expect(bank.received.length).toBe(received);
  expect(await receiptOf(second, answers[7]?.receipt?.entry ?? "")).toBe(receipt);
  expect(verifyReceipt(receipt, { verifierKey })).toMatchObject({ ok: true });
  expect(await pay(second, "new")).toMatchObject({ isError: false });
  await second.stop();
  await provenLedger(
    to,
    answers.map((answer) => answer.receipt),
  );
});

test("a database that cannot take it is named, with what to do about it, and the old place goes on", async () => {
  const cluster = await Postgres.start({ fsync: false });
  const url = await cluster.createDatabase();
  await cluster.sql("CREATE ROLE guest LOGIN");
  const movedTo = (address: string) =>
    machine.run(["store", "move", "--from", join(to, "data"), "--to", address]);
  const missing = await movedTo(cluster.url("nowhere"));
  expect(missing.stderr).toContain('cannot be written: database "nowhere" does not exist.\n');
  expect(missing.stderr).toContain("CREATE DATABASE");
  expect((await movedTo(url.replace("signalbox@", "stranger@"))).stderr).toMatch(
    /"stranger".*\n.*pg_hba.conf/,
  );
  expect((await movedTo(url.replace("signalbox@", "guest@"))).stderr).toMatch(/denied.*\n.*GRANT CREATE/);
  await cluster.stop();
  expect((await movedTo(url)).stderr).toMatch(/ECONNREFUSED.*\n.*runs at this address/);
  const malformed = await movedTo(`${url}?a=b`);
  expect(malformed.stderr).toMatch(/is not of the form postgres:/);
  expect(malformed.stderr).not.toContain("→");
  expect(malformed.code).toBe(1);
  await (await start(to)).stop();
});

test("what is not there is not moved, and nothing is overwritten", async () => {
  const nowhere = ["store", "move", "--from", join(from, "nowhere"), "--to", join(to, "other")];
  expect((await machine.run(nowhere)).stderr).toContain("not-found");
  expect(existsSync(join(from, "nowhere"))).toBe(false);
  const over = ["store", "move", "--from", join(to, "data"), "--to", join(from, "data")];
  expect((await machine.run(over)).stderr).toMatch(/store-in-use.*not empty/);
  const unknown = ["store", "move", "--from", join(to, "data"), "--to", "mysql://db/signalbox"];
  expect((await machine.run(unknown)).stderr).toContain("no store of this version");
});
