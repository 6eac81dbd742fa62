import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReceiptReference } from "../../contract/index.ts";
import { askToolName, metaKeys, waitToolName } from "../../contract/index.ts";
import { Refused, StepDrift, connect } from "../../sdk/index.ts";
import { startProgram } from "../fixtures/agent-process.ts";
import type { SomePerson } from "../fixtures/approvals.ts";
import { makePerson, pendingOf, personWith, setPolicies } from "../fixtures/approvals.ts";
import { endOf, showRun, startHosted } from "../fixtures/hosted-worker.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { provenLedger } from "../fixtures/offline-ledger.ts";

/** People's yes to something of an agent's own, in whole nodes. */
const permits = `
permit (principal, action in [Action::"call", Action::"read"], resource);
permit (principal is Person in Role::"admin", action in Action::"admin", resource);
permit (principal is Person in Role::"lead", action in Action::"admin.approval", resource);
`;
const asks = `@id("leads-decide") @approve("group=lead expiry=1h")
forbid (principal, action == Action::"call", resource == Tool::"signalbox/ask");`;

const receipts: ReceiptReference[] = [];
let directory: string;
let node: NodeProcess;
let vera: SomePerson;
let veraId: string;

const asker = JSON.stringify(fileURLToPath(new URL("../fixtures/hosted-asker.ts", import.meta.url)));
const order = () => ({ directory, yaml: `agents: { asker: { module: ${asker}, version: "1" } }` });
beforeAll(async () => {
  directory = newDirectory();
  node = await NodeProcess.start(order());
  await setPolicies(node, permits + asks);
  vera = await makePerson(node, "vera", ["lead"]);
  veraId = (await node.admin<{ id: string }>("GET", "/people/vera")).body.id;
});
afterAll(async () => {
  await node.stop();
  await provenLedger(directory, receipts);
  removeDirectory(directory);
});

async function dieAndComeBack(): Promise<void> {
  await node.kill9();
  node = await NodeProcess.start(order());
  vera = personWith(node, vera.key);
}

const agent = (run: string, data: unknown) =>
  startProgram("asking-agent-program.ts", { url: node.url, token: node.agentToken, run, data });
const box = () => connect({ url: node.url, token: node.agentToken });

/** The one request that waits for people, once there is one. */
async function waitingOne(): Promise<string> {
  let ids: readonly string[] = [];
  await until(async () => {
    const { body } = await node.admin<{ items: readonly { readonly id: string }[] }>("GET", "/approvals");
    ids = body.items.map(({ id }) => id);
    return ids.length > 0;
  });
  expect(ids).toHaveLength(1);
  return ids[0] ?? "";
}

/** How often people were asked, in all. */
const asksSoFar = async () =>
  (await node.admin<{ items: readonly unknown[] }>("GET", "/audit/entries?kind=request&limit=200")).body.items
    .length;

function cli(...args: string[]): Promise<{ readonly text: string; readonly code: number | null }> {
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
    child.once("close", (code) => resolve({ text, code }));
  });
}

describe("an agent that asks people", () => {
  test("and is killed while they think, is given their yes in its next life, and they are asked once", async () => {
    const before = await asksSoFar();
    const first = agent("killed", { to: "ACME\u202e" });
    const approval = await waitingOne();
    first.child.kill("SIGKILL");
    await first.ended;
    const shown = await cli("approvals", "show", approval, "--no-json");
    expect(shown.text).toContain(askToolName);
    expect(shown.text).toContain("It cannot be undone.");
    expect(shown.text).toContain("ACME⟨U+202E⟩");

    const second = agent("killed", { to: "ACME\u202e" });
    await vera.decide(approval, "approve");
    const { result } = await second.ended;
    expect(result).toMatchObject({ approved: true, by: [veraId] });
    receipts.push((result as { readonly receipt: ReceiptReference }).receipt);
    expect(await asksSoFar()).toBe(before + 1);
  });

  test("and dies before their yes, as the node does after it, is given it when both are back", async () => {
    const first = agent("node-killed", { n: 1 });
    const approval = await waitingOne();
    first.child.kill("SIGKILL");
    await first.ended;
    await vera.decide(approval, "approve");
    await dieAndComeBack();
    const { result } = await agent("node-killed", { n: 1 }).ended;
    expect(result).toMatchObject({ approved: true, by: [veraId] });
    await dieAndComeBack();
    expect((await agent("node-killed", { n: 1 }).ended).result).toEqual(result);
  });

  test.each([
    { entry: "intent", when: "after" },
    { entry: "outcome", when: "before" },
  ] as const)(
    "whose node dies with their yes used up ($entry, $when) is given it, and they are asked once",
    async (point) => {
      const before = await asksSoFar();
      const meta = { [metaKeys.run]: `used-${point.entry}`, [metaKeys.step]: "plan" };
      const ask = () => node.call(askToolName, { question: "May I?" }, { meta });
      await vera.decide(pendingOf(await ask()).approval, "approve");
      await node.dieAt(point);
      await ask().catch(() => "cut off");
      await node.dead();
      node = await NodeProcess.start(order());
      vera = personWith(node, vera.key);
      const answer = await ask();
      expect(answer.code).toBeNull();
      expect(JSON.parse(answer.text)).toMatchObject({ approved: true, by: [veraId] });
      expect(await asksSoFar()).toBe(before + 1);
    },
  );

  test("about something else under the same step is told of the drift, also while they think", async () => {
    const running = agent("drifted", { n: 1 });
    const approval = await waitingOne();
    running.child.kill("SIGKILL");
    await running.ended;
    expect((await agent("drifted", { n: 2 }).ended).error).toMatchObject({ name: "StepDrift", step: "plan" });
    await vera.decide(approval, "approve");
    expect((await agent("drifted", { n: 2 }).ended).error).toMatchObject({ name: "StepDrift" });
    expect((await agent("drifted", { n: 1 }).ended).result).toMatchObject({ approved: true });
  });

  test("and hears a no, hears it in every later life, also when policy and people have changed their minds", async () => {
    const work = (data: unknown) =>
      box().run("refused", async (step) => {
        const ask = () => step.approval("plan", { question: "May I?", data });
        const first = await ask().catch((thrown: unknown) => thrown);
        // Asked again in the same life, nobody is asked again.
        const again = await ask().catch((thrown: unknown) => thrown);
        expect(String(again)).toBe(String(first));
        throw first;
      });
    const before = await asksSoFar();
    const working = work(1).catch((thrown: unknown) => thrown);
    await vera.decide(await waitingOne(), "deny", "not this month");
    const thrown = await working;
    expect(thrown).toBeInstanceOf(Refused);
    expect(thrown).toMatchObject({ code: "approval-denied", step: "plan", effect: "none" });
    expect(String(thrown)).toContain("not this month");
    await setPolicies(node, permits);
    const later = await work(1).catch((thrown: unknown) => thrown);
    expect(String(later)).toBe(String(thrown));
    expect(later).toMatchObject({ code: "approval-denied", receipt: (thrown as Refused).receipt });
    expect(await work(2).catch((thrown: unknown) => thrown)).toBeInstanceOf(StepDrift);
    await setPolicies(node, permits + asks);
    expect(await asksSoFar()).toBe(before + 1);
  });

  test("where no rule asks anybody is refused, and asks once one does", async () => {
    await setPolicies(node, permits);
    const work = () =>
      box().run("unasked", async (step) => (await step.approval("plan", { question: "May I?" })).by);
    await expect(work()).rejects.toMatchObject({ code: "denied", step: "plan" });
    await expect(work()).rejects.toThrow("Nobody was asked");
    await setPolicies(node, permits + asks);
    const working = work();
    await vera.decide(await waitingOne(), "approve");
    expect(await working).toEqual([veraId]);
  });
});

describe("a hosted agent that asks people", () => {
  test.each(["approve", "deny"] as const)("leaves its process, and goes on when they %s", async (verb) => {
    const run = await startHosted(node, "asker", { input: { data: verb } });
    await until(async () => {
      const { waitsFor, isAlive } = await showRun(node, run);
      return waitsFor[0]?.kind === "approval" && !isAlive;
    });
    const [wait] = (await showRun(node, run)).waitsFor;
    expect(wait?.groups).toEqual(["lead"]);
    await vera.decide(wait?.approval ?? "", verb, "looked at it");
    await until(async () => (await showRun(node, run)).state === "finished");
    expect((await endOf(node, run)).result).toEqual(
      verb === "approve"
        ? { by: [veraId] }
        : { code: "approval-denied", message: expect.stringContaining("looked at it") as string },
    );
  });

  test("and went on with a no, is given it again by a new process", async () => {
    const before = await asksSoFar();
    const run = await startHosted(node, "asker", { input: { data: "napping", nap: "wake" } });
    await vera.decide(await waitingOne(), "deny", "no");
    await until(async () => {
      const { waitsFor, isAlive } = await showRun(node, run);
      return waitsFor[0]?.kind === "signal" && !isAlive;
    });
    await node.admin("POST", `/runs/${run}/signals/wake`, {});
    await until(async () => (await showRun(node, run)).state === "finished");
    expect((await endOf(node, run)).result).toMatchObject({ code: "approval-denied" });
    expect(await asksSoFar()).toBe(before + 1);
  });
});

test("a client that knows nothing of us finds the tool, asks, waits, and is given the yes", async () => {
  const client = new Client({ name: "any", version: "1" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
      requestInit: { headers: { Authorization: `Bearer ${node.agentToken}` } },
    }),
  );
  try {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining([askToolName, waitToolName]));
    const told = await client.callTool({ name: askToolName, arguments: { question: "May I?", data: [1] } });
    expect(told.isError).toBe(true);
    const pending = told._meta?.["dev.signalbox/pending"] as { call: string; approval: string };
    await vera.decide(pending.approval, "approve");
    const answer = await client.callTool({ name: waitToolName, arguments: { call: pending.call } });
    expect(answer.structuredContent).toMatchObject({
      approved: true,
      by: [veraId],
      asked: { question: "May I?", data: [1] },
    });
  } finally {
    await client.close();
  }
});

test("policies about it are explained and shown like those about any tool", async () => {
  for (const tool of ["signalbox/ask", askToolName]) {
    const { body } = await node.admin("POST", "/policies/explain", {
      principal: "asker",
      tool,
      arguments: { question: "May I?" },
    });
    expect(body).toMatchObject({ effect: "approve", approvals: [{ group: "lead" }] });
  }
  const shown = await node.admin<{ tool: unknown }>("GET", `/tools/${askToolName}`);
  expect(shown.body.tool).toMatchObject({ id: "signalbox/ask", server: "signalbox", callable: true });
});
