import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Machine } from "../../src/cli/machine.fixture.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** A database that somebody put back to an earlier state without telling us. */
let bank: CountingServer;
let machine: Machine;
let directory: string;
beforeAll(async () => {
  bank = await new CountingServer().start();
  machine = new Machine();
});
afterAll(async () => {
  await bank.stop();
  await machine.end();
});
beforeEach(() => {
  directory = newDirectory();
});
afterEach(() => removeDirectory(directory));

const data = (name: string) => join(directory, "data", name);
const kept = (name: string) => join(directory, "kept", name);
const databaseFiles = ["signalbox.db", "signalbox.db-wal", "signalbox.db-shm"];
const start = async () => {
  const node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__pay"]);
  return node;
};
const step = (name: string) => ({ meta: { [metaKeys.run]: "payroll", [metaKeys.step]: name } });
const pay = (node: NodeProcess, name: string) =>
  node.call("bank__pay", { to: `${directory}-${name}`, amount: 1 }, step(name));
const fenceOf = async (node: NodeProcess) =>
  (await node.admin<{ node: { fence: number } }>("GET", "/status")).body.node.fence;

function keep(): void {
  mkdirSync(join(directory, "kept"));
  for (const name of databaseFiles) if (existsSync(data(name))) cpSync(data(name), kept(name));
}
function putBack(): void {
  for (const name of databaseFiles) {
    rmSync(data(name), { force: true });
    if (existsSync(kept(name))) cpSync(kept(name), data(name));
  }
}

test("a database put back to an earlier state is found at the next start: runs wait, effects do not go out again", async () => {
  const first = await start();
  expect(await pay(first, "s-1")).toMatchObject({ isError: false });
  const fence = await fenceOf(first);
  await first.stop();
  keep();

  const second = await start();
  expect(await pay(second, "s-2")).toMatchObject({ isError: false });
  const { receipt } = await pay(second, "s-2");
  await until(async () => (await second.page(`/api/v1/receipts/${receipt?.entry ?? ""}`)).status === 200);
  await second.stop();
  putBack();
  const received = bank.count("pay");

  const third = await start();
  expect(third.log).toContain("the ledger is not what this node remembers of it");
  expect(await pay(third, "s-2")).toMatchObject({ code: "run-in-review", effect: "unknown" });
  expect(bank.count("pay")).toBe(received);
  expect((await third.admin("GET", "/review")).body).toMatchObject({ review: { reason: "short" } });
  const waiting = async () =>
    /signalbox_runs_in_review\{[^}]*tenant="default"[^}]*\} (\d+)/.exec(
      (await third.page("/metrics")).text,
    )?.[1];
  expect(await waiting()).toBe("1");
  // No process of before, on whatever copy, has a fence like this.
  expect(await fenceOf(third)).toBeGreaterThan(fence * 1_000);
  await third.admin("POST", "/review/release", { reason: "the bank says so" });
  await until(async () => (await waiting()) === "0");
  await third.stop();

  // It was dealt with: the next start finds nothing.
  const fourth = await start();
  expect(fourth.log).not.toContain("the ledger is not what");
  expect(await pay(fourth, "s-1")).toMatchObject({ isError: false, code: null });
  expect(bank.count("pay")).toBe(received);
  await fourth.stop();
  await provenLedger(directory);
});

test("a node that is killed as soon as it has found it, or at any start before the release, leaves the review to the next", async () => {
  const first = await start();
  await pay(first, "s-1");
  await first.stop();
  keep();
  const second = await start();
  await pay(second, "s-2");
  await second.stop();
  putBack();
  const order = { directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` };
  await NodeProcess.killWhenItSays(order, "the ledger is not what this node remembers of it");
  await NodeProcess.killWhenItSays(order, "runs wait in review");
  const received = bank.count("pay");
  const third = await start();
  expect(await pay(third, "s-2")).toMatchObject({ code: "run-in-review" });
  expect((await third.admin<{ items: unknown[] }>("GET", "/runs?state=review")).body.items).toHaveLength(1);
  expect(bank.count("pay")).toBe(received);
  await third.stop();
  await provenLedger(directory);
});

test("one that went on from an earlier state elsewhere, as long as before, is found as another history", async () => {
  const first = await start();
  await pay(first, "s-1");
  await first.stop();
  keep();
  const second = await start();
  await pay(second, "s-2");
  await second.stop();
  const remembered = readFileSync(data("remembered-checkpoints"), "utf8");
  putBack();
  rmSync(data("remembered-checkpoints"));
  // Without what was remembered nobody can tell, and it goes on.
  const other = await start();
  for (let n = 0; n < 10; n++) await pay(other, `t-${n}`);
  await other.stop();

  writeFileSync(data("remembered-checkpoints"), remembered);
  const third = await start();
  expect((await third.admin("GET", "/review")).body).toMatchObject({ review: { reason: "forked" } });
  await third.stop();
});

test("a node killed with -9 any time finds its own log again, and no review", async () => {
  for (let n = 0; n < 3; n++) {
    const node = await start();
    expect((await node.admin("GET", "/review")).body).toEqual({ review: null });
    await Promise.all(Array.from({ length: 40 }, (_, i) => pay(node, `${n}-${i}`)));
    await node.kill9();
  }
  const last = await start();
  expect((await last.admin("GET", "/review")).body).toEqual({ review: null });
  await last.stop();
});

test("what is remembered and cannot be read stops the start, and says what to do", async () => {
  await (await start()).stop();
  writeFileSync(data("remembered-checkpoints"), "{");
  await expect(start()).rejects.toMatchObject({ code: "config-invalid" });
});

test("an operator who brought data back by other means can say so", async () => {
  const node = await start();
  await pay(node, "s-1");
  const mark = [
    "store",
    "mark-restored",
    "--data",
    join(directory, "data"),
    "--reason",
    "disk image of 02:00",
  ];
  const refused = await machine.run(mark);
  expect(refused.stderr).toContain("store-in-use");
  await node.stop();
  expect((await machine.run(mark)).code).toBe(0);
  const after = await start();
  expect(await pay(after, "s-1")).toMatchObject({ code: "run-in-review" });
  expect((await after.admin("GET", "/review")).body).toMatchObject({
    review: { detail: "disk image of 02:00" },
  });
  await after.stop();
});
