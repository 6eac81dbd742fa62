import { spawn } from "node:child_process";
import { join } from "node:path";
import type { ClientCapabilities, ClientOptions } from "@modelcontextprotocol/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReceiptReference } from "../../contract/index.ts";
import { metaKeys, waitToolName } from "../../contract/index.ts";
import type { SomePerson } from "../fixtures/approvals.ts";
import {
  makePerson,
  paymentsAreApproved,
  pendingOf,
  personWith,
  setPolicies,
} from "../fixtures/approvals.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Approvals in whole nodes: nodes that die while people think, and clients of every kind. */
const bank = new CountingServer();
const receipts: ReceiptReference[] = [];
let directory: string;
let node: NodeProcess;
let vera: SomePerson;

const order = () => ({ directory, yaml: `servers: { bank: { url: "${bank.url}" } }` });
beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  node = await NodeProcess.start(order());
  await node.toolsAre(["bank__pay"]);
  await setPolicies(node, paymentsAreApproved);
  vera = await makePerson(node, "vera", ["finance"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  const ledger = await provenLedger(directory, receipts);
  expect(ledger.dispatched).toEqual([]);
  // Every payment that arrived was asked about, meant, and came to an end, each once.
  const of = (kind: string) => ledger.entries.filter((entry) => entry.kind === kind).length;
  expect(of("intent")).toBe(bank.count("pay"));
  expect(outcomesOf(ledger, "succeeded")).toHaveLength(bank.count("pay"));
  removeDirectory(directory);
});

const paid = (to: string): number => bank.received.filter(({ args }) => args["to"] === to).length;

/** Another process on the same data, as after a power cut. */
async function dieAndComeBack(): Promise<void> {
  await node.kill9();
  node = await NodeProcess.start(order());
  vera = personWith(node, vera.key);
  await node.toolsAre(["bank__pay"]);
}

async function call(tool: string, args: unknown, meta: Record<string, unknown> = {}) {
  const answer = await node.call(tool, args, { meta });
  if (answer.receipt !== null) receipts.push(answer.receipt);
  return answer;
}

const step = (name: string) => ({ [metaKeys.run]: "july", [metaKeys.step]: name });

function cli(...args: string[]): Promise<{ text: string }> {
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  const env = { ...process.env, SIGNALBOX_URL: node.url, SIGNALBOX_TOKEN: vera.key, NO_COLOR: "1" };
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    child.once("close", () => resolve({ text }));
  });
}

describe("a node killed with -9 while people are asked", () => {
  test.each([
    ["a call that names a step", step("pay-1"), { to: "with a step", amount: 10 }],
    ["a call that names nothing", {}, { to: "without a step", amount: 10 }],
  ])("still asks them when it is back, and %s runs once", async (_what, meta, args) => {
    const { approval, call: id } = pendingOf(await call("bank__pay", args, meta));
    const cutOff = node.call(waitToolName, { call: id, seconds: 60 }).catch(() => "cut off");
    await dieAndComeBack();
    expect(await cutOff).toBe("cut off");

    // Whoever asks for the same again is asked about already.
    expect(pendingOf(await call("bank__pay", args, meta))).toMatchObject({ approval, call: id });
    const { text } = await cli("approvals", "ls", "--no-json");
    expect(text).toContain(approval);
    // She may not look agents up, and is told who asks all the same.
    expect(text).not.toContain("agent/");
    expect(text).toContain("Each payment is seen before it is made");
    const { text: fields } = await cli("approvals", "show", approval, "--no-json");
    expect(fields).toMatch(/because +Each payment is seen before it is made\n/);
    const shown = JSON.parse((await cli("approvals", "show", approval, "--json")).text) as {
      readonly approval: { readonly intent: string };
      readonly arguments: string;
    };
    expect(JSON.parse(shown.arguments)).toEqual(args);
    const { intent } = shown.approval;
    const voted = await cli("approvals", "approve", approval, intent.slice(0, 12), "--json");
    expect(JSON.parse(voted.text)).toMatchObject({ isDecided: true, approval: { state: "approved" } });
    expect(paid(args.to)).toBe(0);

    const answers = await Promise.all([
      call("bank__pay", args, meta),
      call(waitToolName, { call: id, seconds: 60 }),
      call(waitToolName, { call: id, seconds: 60 }),
    ]);
    expect(answers.map(({ code }) => code)).toEqual([null, null, null]);
    expect(new Set(answers.map(({ receipt }) => receipt?.entry)).size).toBe(1);
    expect(paid(args.to)).toBe(1);
  });

  test("directly after the yes has the yes, and the call runs once", async () => {
    const args = { to: "killed after the yes", amount: 10 };
    const { approval } = pendingOf(await call("bank__pay", args, step("pay-2")));
    await vera.decide(approval, "approve");
    await dieAndComeBack();
    expect(paid(args.to)).toBe(0);
    expect((await call("bank__pay", args, step("pay-2"))).code).toBeNull();
    await dieAndComeBack();
    expect((await call("bank__pay", args, step("pay-2"))).code).toBeNull();
    expect(paid(args.to)).toBe(1);
  });

  test("directly after the no has the no, in the person's words", async () => {
    const args = { to: "killed after the no", amount: 10 };
    const { approval } = pendingOf(await call("bank__pay", args, step("pay-3")));
    await vera.decide(approval, "deny", "we do not know them");
    await dieAndComeBack();
    const answer = await call("bank__pay", args, step("pay-3"));
    expect(answer).toMatchObject({ code: "approval-denied", effect: "none" });
    expect(answer.text).toContain("we do not know them");
    expect(paid(args.to)).toBe(0);
  });
});

interface Said {
  readonly content?: unknown;
  readonly isError?: boolean | undefined;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
}

async function connected(
  capabilities: ClientCapabilities,
  versionNegotiation: NonNullable<ClientOptions["versionNegotiation"]>,
): Promise<Client> {
  const client = new Client({ name: "an agent", version: "1" }, { capabilities, versionNegotiation });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${node.agentToken}` } },
    }),
  );
  return client;
}

describe.each([
  ["modern", { mode: "auto" }],
  ["legacy", { mode: "legacy" }],
] as const)("the official client, in the %s era", (era, negotiation) => {
  test("that can show a link shows it, and its call is answered once people have decided there", async () => {
    const client = await connected({ elicitation: { url: {} } }, negotiation);
    const links: unknown[] = [];
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      links.push("url" in params ? params.url : null);
      const approval = String(links[0]).split("/").at(-1) ?? "";
      if (links.length === 1) await vera.decide(approval, "approve");
      return { action: "accept" };
    });
    const to = `by a link, ${era}`;
    const said = (await client.callTool({ name: "bank__pay", arguments: { to, amount: 5 } })) as Said;
    expect(client.getProtocolEra()).toBe(era);
    expect(said.isError ?? false).toBe(false);
    expect(JSON.stringify(said.content)).toContain(to);
    expect(links).toEqual([expect.stringMatching(new RegExp(`^${node.url}/approvals/apr_[0-9a-z]{26}$`))]);
    expect((await fetch(String(links[0]))).status).toBe(200);
    expect(paid(to)).toBe(1);
    receipts.push(said._meta?.[metaKeys.receipt] as ReceiptReference);
    await client.close();
  });

  test("that declares nothing is told, waits with the tool for it, and gets the result", async () => {
    const client = await connected({}, negotiation);
    const to = `by waiting, ${era}`;
    const told = (await client.callTool({ name: "bank__pay", arguments: { to, amount: 5 } })) as Said;
    expect(told.isError).toBe(true);
    expect(JSON.stringify(told.content)).toContain(`call ${waitToolName} with`);
    const pending = told._meta?.[metaKeys.pending] as { readonly call: string; readonly approval: string };
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain(waitToolName);
    const waiting = client.callTool({ name: waitToolName, arguments: { call: pending.call, seconds: 50 } });
    await vera.decide(pending.approval, "approve");
    const said = (await waiting) as Said;
    expect(said.isError ?? false).toBe(false);
    expect(JSON.stringify(said.content)).toContain(to);
    expect(paid(to)).toBe(1);
    await client.close();
  });
});
