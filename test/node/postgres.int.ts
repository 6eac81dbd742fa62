import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { Postgres } from "../fixtures/postgres.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let cluster: Postgres;
let directory: string;
let url: string;
beforeAll(async () => {
  [bank, cluster] = await Promise.all([new CountingServer().start(), Postgres.start()]);
  url = await cluster.createDatabase();
  directory = newDirectory();
});
afterAll(async () => {
  await bank.stop();
  await cluster.stop();
  removeDirectory(directory);
});

const order = () => ({
  directory,
  postgres: url,
  yaml: `
servers:
  bank: { url: "${bank.url}", concurrencyMax: 200, callTimeout: 20s, tools: { look: { class: read } } }
`,
});
const step = (name: string) => ({ meta: { [metaKeys.run]: "payroll", [metaKeys.step]: name } });
const pay = (node: NodeProcess, name: string): Promise<Answer> =>
  node.call("bank__pay", { to: name, amount: 1 }, step(name));
const paid = (to: string): number => bank.received.filter(({ args }) => args["to"] === to).length;

describe("a node whose data is in PostgreSQL", () => {
  const receipts: Answer["receipt"][] = [];

  test("keeps what it acknowledged when it is killed with -9, and pays no step twice", async () => {
    const first = await NodeProcess.start(order());
    await first.toolsAre(["bank__pay", "bank__look"]);
    const early = await Promise.all(Array.from({ length: 40 }, (_, i) => pay(first, `early-${i}`)));
    for (const answer of early) {
      expect(answer).toMatchObject({ status: 200, code: null, isError: false });
      receipts.push(answer.receipt);
    }
    expect(await first.call("bank__look", { what: "x" })).toMatchObject({ isError: false });
    bank.hold();
    const before = bank.received.length;
    const late = Array.from({ length: 40 }, (_, i) => pay(first, `late-${i}`).catch(() => null));
    await until(() => bank.received.length >= before + 20);
    await first.kill9();
    await Promise.all(late);
    bank.release();

    const second = await NodeProcess.start(order());
    await second.toolsAre(["bank__pay", "bank__look"]);
    let unknown = 0;
    for (let i = 0; i < 40; i++) {
      expect(await pay(second, `early-${i}`)).toMatchObject({ status: 200, isError: false });
      const again = await pay(second, `late-${i}`);
      if (again.code === "outcome-unknown") unknown++;
      else expect(again).toMatchObject({ status: 200, isError: false });
      receipts.push(again.receipt);
      expect(paid(`early-${i}`)).toBe(1);
      expect(paid(`late-${i}`)).toBeLessThanOrEqual(1);
    }
    expect(unknown).toBeGreaterThan(0);
    await second.stop();
    await provenLedger({ postgres: url }, receipts);
  });

  test("goes on by itself when the database is killed and comes back, and answers no call with a guess", async () => {
    const node = await NodeProcess.start(order());
    await node.toolsAre(["bank__pay", "bank__look"]);
    expect(await pay(node, "before")).toMatchObject({ isError: false });
    await cluster.kill();
    const during = await pay(node, "during");
    expect(during.code).not.toBeNull();
    expect(during.effect).toBe("none");
    expect(paid("during")).toBe(0);
    await cluster.run();
    await until(async () => (await pay(node, "during")).code === null);
    expect(paid("during")).toBe(1);
    receipts.push((await pay(node, "before")).receipt);
    expect(paid("before")).toBe(1);
    await node.stop();
    await provenLedger({ postgres: url }, receipts);
  });

  test("ends when the database turns out to have lost what it confirmed, and the next one leaves to people what may have been done", async () => {
    const node = await NodeProcess.start(order());
    await node.toolsAre(["bank__pay", "bank__look"]);
    expect(await pay(node, "last")).toMatchObject({ isError: false });
    const lag =
      "UPDATE signalbox.store_writer SET flush = flush - 1; UPDATE signalbox.store_meta SET value = value + 1 WHERE name = 'timeline'";
    await cluster.sql(lag, new URL(url).pathname.slice(1));
    const after = await pay(node, "after").catch(() => null);
    expect(after?.code ?? "ended").not.toBeNull();
    expect(paid("after")).toBe(0);
    await until(() => node.log.includes("fatal: the database has lost what it had confirmed"));
    const next = await NodeProcess.start(order());
    await next.toolsAre(["bank__pay", "bank__look"]);
    expect(await pay(next, "last")).toMatchObject({ code: "run-in-review", effect: "unknown" });
    expect((await next.admin("GET", "/review")).body).toMatchObject({ review: { reason: "lost" } });
    await next.admin("POST", "/review/release", { reason: "compared with the bank's list" });
    expect(await pay(next, "after")).toMatchObject({ isError: false });
    expect([paid("last"), paid("after")]).toEqual([1, 1]);
    await next.stop();
  });

  test("has its log exported from the database alone", () => {
    const file = join(directory, "export.yaml");
    writeFileSync(
      file,
      `data: { directory: ${JSON.stringify(join(directory, "data"))}, postgres: { url: "${url}" } }\n`,
    );
    const cli = join(import.meta.dirname, "../../src/cli/main.ts");
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [cli, "audit", ...args, "--json"]).toString();
    const to = join(directory, "log.tar");
    run("export", "--offline", "--config", file, "--to", to);
    const proven = JSON.parse(run("verify", "--export", to)) as { size: number; entries: { count: number } };
    expect(proven.size).toBeGreaterThan(100);
    expect(proven.entries.count).toBe(proven.size);
  });

  test("keeps its keys in the directory, and no data there", () => {
    expect(readFileSync(join(directory, "data", "node.key"), "utf8").trim()).toHaveLength(44);
    expect(() => readFileSync(join(directory, "data", "signalbox.db"))).toThrow(/ENOENT/);
  });
});
