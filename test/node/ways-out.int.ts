import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";
import type { Mood } from "../fixtures/servers/bank-program.ts";
import { booked } from "../fixtures/servers/bank-program.ts";

/**
 * The bank is a process that dies between what it does and what it says; its books tell what really happened. Whatever the node finds
 * out must agree with them, and no payment may stand in them twice.
 */
const program = fileURLToPath(new URL("../fixtures/servers/bank-program.ts", import.meta.url));

let directory: string;
let node: NodeProcess;
const acknowledged: Answer[] = [];
beforeAll(async () => {
  directory = newDirectory();
  mkdirSync(join(directory, "bank"));
  mood("well");
  node = await NodeProcess.start(order());
  await node.toolsAre(tools);
});
afterAll(async () => {
  await node.stop();
  removeDirectory(directory);
});

const tools = ["bank__pay", "bank__paid", "bank__put"];
const books = () => join(directory, "bank", "books");
const mood = (how: Mood) => writeFileSync(join(directory, "bank", "mood"), how);
const order = () => ({
  directory,
  yaml: `
servers:
  bank:
    command: ${JSON.stringify(process.execPath)}
    args: ${JSON.stringify([program, books(), join(directory, "bank", "mood")])}
    callTimeout: 60s
    tools:
      pay: { class: verifiable, verifyTool: paid, verifyArguments: [to] }
      paid: { class: read }
      put: { class: idempotent, keyArgument: key }
`,
});

const step = (name: string) => ({ meta: { [metaKeys.run]: "payroll", [metaKeys.step]: name } });
const pay = async (to: string): Promise<Answer> => {
  const answer = await node.call("bank__pay", { to, note: "thanks" }, step(to));
  acknowledged.push(answer);
  return answer;
};
const put = (to: string) => node.call("bank__put", { to }, step(to));
const timesBooked = (to: string) => booked(books()).filter(({ args }) => args["to"] === to).length;
const unknown = async () =>
  (await node.admin<{ items: { call: string; way: string }[] }>("GET", "/calls/unknown")).body.items;

describe("a server that dies after the effect and before its answer", () => {
  test("is asked whether it happened when the caller comes back, and nothing is sent again", async () => {
    mood("dies-after");
    expect(await pay("ann")).toMatchObject({ code: "upstream-lost", effect: "unknown" });
    const call = acknowledged.at(-1)?.receipt?.entry.split(":")[0];
    mood("well");
    const answer = await pay("ann");
    expect(answer).toMatchObject({ code: null, isError: false, text: "paid ann" });
    expect(await pay("ann")).toMatchObject({ text: "paid ann", receipt: answer.receipt });
    expect(timesBooked("ann")).toBe(1);
    const shown = await node.admin<{ resolved: unknown }>("GET", `/calls/${call}`);
    expect(shown.body.resolved).toMatchObject({ by: "verify-tool", entry: `${call}:2` });
  });

  test("is given an idempotent call again under the same key, and has done it once", async () => {
    mood("dies-after");
    expect(await put("bob")).toMatchObject({ effect: "unknown" });
    const [left] = await unknown();
    expect(left).toMatchObject({ way: "sent-again" });
    mood("well");
    await until(async () => (await put("bob")).code === null);
    expect(timesBooked("bob")).toBe(1);
    const shown = await node.admin<{ resolved: unknown }>("GET", `/calls/${left?.call}`);
    expect(shown.body.resolved).toMatchObject({ by: "sent-again" });
  });
});

describe("a server that dies before the effect", () => {
  test("is sent the call again, once, when it can surely not be on its way any more", async () => {
    mood("dies-before");
    expect(await pay("cyd")).toMatchObject({ code: "upstream-lost", effect: "unknown" });
    mood("well");
    const all = await Promise.all(Array.from({ length: 5 }, () => pay("cyd")));
    for (const answer of all) expect(answer).toMatchObject({ code: null, text: "done: cyd" });
    expect(timesBooked("cyd")).toBe(1);
  });
});

describe("a node that is killed after the effect and before the answer", () => {
  test("finds out by itself what happened once it is back, and sends nothing", async () => {
    mood("hangs");
    const gone = pay("dan").catch(() => null);
    await until(() => timesBooked("dan") === 1);
    await node.kill9();
    expect(await gone).toBeNull();
    mood("well");
    node = await NodeProcess.start(order());
    await until(async () => (await unknown()).length === 0);
    expect(timesBooked("dan")).toBe(1);
    await node.toolsAre(tools);
    expect(await pay("dan")).toMatchObject({ code: null, text: "paid dan" });
    expect(timesBooked("dan")).toBe(1);
    await node.stop();
    const ledger = await provenLedger(
      directory,
      acknowledged.map(({ receipt }) => receipt),
    );
    expect(ledger.entries.filter(({ kind }) => kind === "resolve").map(({ method }) => method)).toEqual([
      "call.verify",
      "call.send-again",
      "call.verify",
      "call.verify",
    ]);
  });
});
