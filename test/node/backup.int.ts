import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { Machine } from "../../src/cli/machine.fixture.ts";
import { verifyReceipt } from "../../src/ledger/index.ts";
import { runAgent } from "../fixtures/agent-process.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let slow: CountingServer;
let machine: Machine;
let directory: string;
let restored: string;
let file: string;
let keyFile: string;
beforeAll(async () => {
  bank = await new CountingServer().start();
  slow = await new CountingServer().start();
  machine = new Machine();
  directory = newDirectory();
  restored = newDirectory();
  file = join(machine.work, "one.sbx");
  keyFile = join(machine.work, "backup.key");
  const made = await machine.run(["backup", "key", "--to", keyFile]);
  writeFileSync(join(machine.work, "backup.pub"), made.stdout);
});
afterAll(async () => {
  await machine.end();
  await bank.stop();
  await slow.stop();
  removeDirectory(directory);
  removeDirectory(restored);
});

const yaml = () => `servers:\n  bank: { url: "${bank.url}" }\n  slow: { url: "${slow.url}" }\n`;
const nodeKey = () => join(directory, "data", "node.key");
const step = (run: string, name: string) => ({ meta: { [metaKeys.run]: run, [metaKeys.step]: name } });
const key = (name: string) => ({ meta: { [metaKeys.key]: name } });
const paid = (to: string): number =>
  [...bank.received, ...slow.received].filter(({ args }) => args["to"] === to).length;
const systemEnv = (node: NodeProcess) => ({ SIGNALBOX_URL: node.url, SIGNALBOX_TOKEN: node.systemKey });
const adminEnv = (node: NodeProcess) => ({ SIGNALBOX_URL: node.url, SIGNALBOX_TOKEN: node.adminKey });
const restore = (to: string, from = file, more: readonly string[] = []) =>
  machine.run(["restore", from, "--to", to, "--backup-key", keyFile, "--node-key", nodeKey(), ...more]);

/** The answer of the call, when its caller still heard it. */
const heard = (call: Promise<Answer>): Promise<Answer | null> => call.catch(() => null);

describe("a node under load that is backed up, goes on, and is lost", () => {
  const before: Answer[] = [];
  const receipts: string[] = [];
  let verifierKey: string;
  let oldToken: string;

  test("gives a file that is whole, while its callers are served", async () => {
    const node = await NodeProcess.start({ directory, yaml: yaml() });
    oldToken = node.agentToken;
    await node.toolsAre(["bank__pay", "slow__pay"]);
    for (let n = 0; n < 40; n++) {
      before.push(await node.call("bank__pay", { to: `before-${n}`, amount: 1 }, step("payroll", `s-${n}`)));
      before.push(await node.call("bank__pay", { to: `key-${n}`, amount: 1 }, key(`k-${n}`)));
    }
    const diary = join(directory, "diary");
    writeFileSync(diary, "");
    const agent = { url: node.url, token: oldToken, run: "unfinished", steps: 3, dieAfter: 5, diary };
    await runAgent(agent);
    verifierKey = (await node.page("/api/v1/audit/key")).text;
    for (const { receipt } of before.slice(0, 10)) {
      const path = `/api/v1/receipts/${encodeURIComponent(receipt?.entry ?? "")}`;
      await until(async () => (await node.page(path)).status === 200);
      receipts.push((await node.page(path)).text);
    }

    // One is with its server while the backup is made, and others come and go all the time.
    slow.hold();
    const open = heard(node.call("slow__pay", { to: "open", amount: 1 }, step("payroll", "open")));
    await until(() => slow.count("pay") === 1);
    const traffic = { isOn: true, answered: 0 };
    const paying = Array.from({ length: 8 }, async (_, who) => {
      for (let n = 0; traffic.isOn; n++) {
        const to = `traffic-${who}-${n}`;
        expect(
          await node.call("bank__pay", { to, amount: 1 }, step(`traffic-${who}`, `s-${n}`)),
        ).toMatchObject({
          isError: false,
        });
        traffic.answered++;
      }
    });
    await until(() => traffic.answered > 8);
    const answeredBefore = traffic.answered;
    const args = [
      "backup",
      "create",
      "--to",
      file,
      "--recipient",
      join(machine.work, "backup.pub"),
      "--json",
    ];
    const made = await machine.run(args, { env: systemEnv(node) });
    expect(made.stderr).toContain("Reading it back");
    expect(JSON.parse(made.stdout)).toMatchObject({ isWhole: true, file });
    expect(traffic.answered).toBeGreaterThan(answeredBefore);
    expect(statSync(file).mode & 0o077).toBe(0);

    // What is done from here on, the backup does not know.
    slow.release();
    traffic.isOn = false;
    await Promise.all(paying);
    expect(await open).toMatchObject({ isError: false });
    const after = await node.call("bank__pay", { to: "after", amount: 1 }, step("payroll", "after"));
    const late = await node.call("bank__pay", { to: "late", amount: 1 }, key("late"));
    const other = await node.call("bank__pay", { to: "new-run", amount: 1 }, step("later", "s-0"));
    for (const answer of [after, late, other]) expect(answer).toMatchObject({ isError: false });
    await node.kill9();
  });

  test("verifies offline, and not when it was cut or changed anywhere", async () => {
    const verify = (from: string) =>
      machine.run(["backup", "verify", from, "--backup-key", keyFile, "--json"]);
    expect(JSON.parse((await verify(file)).stdout)).toMatchObject({ isWhole: true });
    const bytes = readFileSync(file);
    const bad = join(machine.work, "bad.sbx");
    const changed = Buffer.from(bytes);
    changed[Math.floor(bytes.length / 2)] = (changed[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
    for (const content of [changed, bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.of(0)])]) {
      writeFileSync(bad, content);
      const refused = await verify(bad);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("backup-broken")]);
      const notRestored = await restore(join(restored, "data"), bad);
      expect([notRestored.code, notRestored.stderr]).toEqual([1, expect.stringContaining("backup-broken")]);
      // Nothing is left of the try.
      expect(readdirSync(restored)).toEqual([]);
    }
  });

  test("is not restored with another node's key, nor over anything", async () => {
    const wrong = machine.put("wrong.key", `${Buffer.alloc(32, 5).toString("base64")}\n`);
    const { chmodSync } = await import("node:fs");
    chmodSync(wrong, 0o600);
    const args = [
      "restore",
      file,
      "--to",
      join(restored, "data"),
      "--backup-key",
      keyFile,
      "--node-key",
      wrong,
    ];
    const refused = await machine.run(args);
    expect(refused.stderr).toContain("key-encryption key");
    expect(readdirSync(restored)).toEqual([]);
    const over = await restore(join(directory, "data"));
    expect(over.stderr).toMatch(/store-in-use.*is not empty.*name a place that is empty/s);
  });

  test("restored elsewhere, has everything that was acknowledged before the backup, and its receipts verify", async () => {
    const done = await restore(join(restored, "data"), file, ["--place-node-key", "--json"]);
    expect(done.stderr).not.toContain("error");
    expect(done.code).toBe(0);
    expect(readdirSync(restored)).toEqual(["data"]);
    for (const receipt of receipts)
      expect(verifyReceipt(receipt, { verifierKey })).toMatchObject({ ok: true });
    // A node sequences what was not yet.
    const node = await NodeProcess.start({ directory: restored, yaml: yaml() });
    await node.toolsAre(["bank__pay", "slow__pay"]);
    await node.stop();
    const ledger = await provenLedger(
      restored,
      before.map(({ receipt }) => receipt),
    );
    expect(ledger.unknown.map(({ claim }) => claim?.name)).toContain("open");
    expect(ledger.dispatched).toEqual([]);
  });

  test("does nothing of what was open before it is released, and nothing twice after", async () => {
    const node = await NodeProcess.start({ directory: restored, yaml: yaml() });
    await node.toolsAre(["bank__pay", "slow__pay"]);
    const received = bank.received.length;
    const token = { token: oldToken }; // clients go on with what they have
    const pay = (to: string, more: object) =>
      node.call("bank__pay", { to, amount: 1 }, { ...more, ...token });
    for (const asked of [
      pay("before-1", step("payroll", "s-1")),
      pay("after", step("payroll", "after")),
      pay("late", key("late")),
      pay("new-run", step("later", "s-0")),
    ])
      expect(await asked).toMatchObject({ code: "run-in-review", effect: "unknown" });
    expect(await pay("key-1", key("k-1"))).toMatchObject({ isError: false, code: null });
    const diary = join(restored, "diary");
    writeFileSync(diary, "");
    const agent = { url: node.url, token: oldToken, run: "unfinished", steps: 3, dieAfter: null, diary };
    expect((await runAgent(agent)).error).toMatchObject({ name: "RunInReview", code: "run-in-review" });
    expect(bank.received.length).toBe(received);

    const listed = await machine.json<{ review: { reason: string }; items: { name: string }[] }>(
      ["runs", "review", "ls"],
      { env: adminEnv(node) },
    );
    expect(listed.review.reason).toBe("restored");
    expect(listed.items.map(({ name }) => name).toSorted()).toEqual(
      [...Array.from({ length: 8 }, (_, who) => `traffic-${who}`), "payroll", "unfinished"].toSorted(),
    );

    // One run is released: its agent comes to its end, with what is on record, and each effect once.
    const release = (what: string) =>
      machine.json(["runs", "review", "release", what, "--reason", "looked at the bank"], {
        env: adminEnv(node),
      });
    await release("unfinished");
    expect((await runAgent(agent)).error).toBeNull();
    for (let n = 0; n < 3; n++) expect(paid(`unfinished-${n}`)).toBe(1);
    expect(await pay("before-1", step("payroll", "s-1"))).toMatchObject({ code: "run-in-review" });

    await release("--all");
    expect(await pay("before-1", step("payroll", "s-1"))).toMatchObject({ isError: false, code: null });
    // It was with the bank when the backup was made: nobody can know.
    const open = node.call("slow__pay", { to: "open", amount: 1 }, step("payroll", "open"));
    expect(await open).toMatchObject({ code: "outcome-unknown" });
    expect(await pay("elsewhere", step("another", "s-0"))).toMatchObject({ isError: false, code: null });
    const again = await machine.json<{ review: unknown }>(["runs", "review", "ls"], { env: adminEnv(node) });
    expect(again.review).toBeNull();
    const wanted = [...before.keys()].map((n) => (n % 2 === 0 ? `before-${n / 2}` : `key-${(n - 1) / 2}`));
    for (const to of [...wanted, "open", "after", "late", "new-run"]) expect([to, paid(to)]).toEqual([to, 1]);
    await node.stop();
    const { entries } = await provenLedger(restored);
    const acts = entries
      .map(({ method }) => method)
      .filter((method) => method.includes("review") || method.includes("release"));
    expect(acts).toEqual(["admin.review.begin", "admin.run.release", "admin.review.release"]);
  });
});
