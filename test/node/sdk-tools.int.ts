import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../sdk/index.ts";
import { setPolicies } from "../fixtures/approvals.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

let bank: CountingServer;
let directory: string;
let node: NodeProcess;
beforeAll(async () => {
  bank = await new CountingServer().start();
  bank.lookHeader = "What";
  directory = newDirectory();
  node = await NodeProcess.start({ directory, yaml: `servers:\n  bank: { url: "${bank.url}" }\n` });
  await node.toolsAre(["bank__look"]);
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

/** Every request that leaves, by its MCP method. */
function boxThatTells() {
  const methods: string[] = [];
  const box = connect({
    url: node.url,
    token: node.agentToken,
    fetch: (input, init) => {
      const method = new Headers(init?.headers).get("mcp-method");
      if (method !== null) methods.push(method);
      return fetch(input, init);
    },
  });
  return { box, methods };
}

describe("a tool that wants an argument in a header as well", () => {
  test("is called with it, in any alphabet, after one look at the list", async () => {
    const { box, methods } = boxThatTells();
    const words = ["plain", "żółw", " padded ", "=?base64?x?="];
    const said = await box.run("headers", async (step) => {
      const texts: string[] = [];
      for (const [n, what] of words.entries())
        texts.push((await step.tool(`look-${n}`, "bank__look", { what })).text);
      return texts;
    });
    expect(said.map((text) => (JSON.parse(text) as { what: string }).what)).toEqual(words);
    expect(methods).toEqual(["tools/call", "tools/list", ...words.map(() => "tools/call")]);
  });

  test("is given back from the record in a later attempt, with its header again", async () => {
    const look = (work: string) =>
      boxThatTells().box.run("headers-again", async (step) => {
        const { text, receipt } = await step.tool("look", "bank__look", { what: "once" });
        if (work === "dies") throw new Error("killed");
        return { text, receipt };
      });
    await expect(look("dies")).rejects.toThrow("killed");
    const before = bank.count("look");
    expect((await look("ends")).text).toBe('{"what":"once"}');
    expect(bank.count("look")).toBe(before);
  });
});

test("a no that an agent goes on with stays a no in every attempt, also when policy has changed since", async () => {
  const forbidden = `@id("no-pay") forbid (principal is Agent, action == Action::"call", resource == Tool::"bank/pay");`;
  const permit = `@id("all") permit (principal, action, resource);`;
  const pay = (isLast: boolean) =>
    connect({ url: node.url, token: node.agentToken }).run("refused", async (step) => {
      const first = await step.toolOrRefusal("pay", "bank__pay", { to: "refused", amount: 1 });
      if (!isLast) throw new Error("killed");
      const { isError, text } = await step.toolOrRefusal("again", "bank__pay", { to: "again", amount: 1 });
      return { first: [first.isError, first.text], again: [isError, text] };
    });
  await setPolicies(node, `${permit}\n${forbidden}`);
  await expect(pay(false)).rejects.toThrow("killed");
  await setPolicies(node, permit);
  const { first, again } = await pay(true);
  expect(first).toEqual([true, expect.stringContaining("no-pay")]);
  expect(again).toEqual([false, '{"amount":1,"to":"again"}']);
  expect(bank.received.filter(({ args }) => args["to"] === "refused")).toHaveLength(0);
});

test("an error of the SDK says what it is, and names no cause where there is none", async () => {
  const work = connect({ url: node.url, token: node.agentToken }).run("wrong", (step) =>
    step.tool("pay", "bank__pay", { to: "wrong", amount: 0 }),
  );
  const thrown: unknown = await work.catch((thrown: unknown) => thrown);
  expect(thrown).toMatchObject({ name: "Refused", code: "invalid-arguments", step: "pay" });
  expect((thrown as Error).cause).toBeUndefined();
});

test("a stopped process does nothing more, and its run goes on with the next", async () => {
  const work = (reason: Error | null) =>
    connect({ url: node.url, token: node.agentToken }).run("stopped", async (step) => {
      if (reason !== null) step.stop(reason);
      // As a runtime does that makes an error of its own of whatever it was told.
      return step.value("a", () => 1).catch(() => Promise.reject(new Error("something went wrong")));
    });
  await expect(work(new Error("no more of this"))).rejects.toThrow("no more of this");
  expect(await work(null)).toBe(1);
});

test("the tools that an agent may use are the same in every attempt, also when they have changed since", async () => {
  const lists: (readonly string[])[] = [];
  const list = (isLast: boolean) =>
    connect({ url: node.url, token: node.agentToken }).run("lists", async (step) => {
      const tools = await step.tools("tools");
      lists.push(tools.map(({ description = "" }) => description));
      if (!isLast) throw new Error("killed");
      return tools.find(({ name }) => name === "bank__pay")?.inputSchema["required"];
    });
  await expect(list(false)).rejects.toThrow("killed");
  bank.descriptions.set("look", "Looks, differently.");
  await until(async () => !(await node.tools()).includes("bank__look"));
  expect(await list(true)).toEqual(["to", "amount"]);
  expect(lists[1]).toEqual(lists[0]);
  expect(lists[0]).toContain("Pays somebody.");
});
