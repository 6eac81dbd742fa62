import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../sdk/index.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
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
