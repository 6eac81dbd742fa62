import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ask, callBody, modernMeta } from "../../src/edge/edge.fixture.ts";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, answerOf, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** What a hostile or careless caller can send to a whole node. None of it may reach the server behind. */
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;
const answers: Answer[] = [];
let good = 0;

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  node = await NodeProcess.start({
    directory,
    yaml: `servers: { bank: { url: "${bank.url}", tools: { look: { class: read } } } }`,
  });
  await node.toolsAre(["bank__pay"]);
});

afterEach(async () => {
  expect(node.isUp).toBe(true);
  const answer = await node.call("bank__look", { what: "still there?" });
  expect(answer).toMatchObject({ status: 200, isError: false });
  answers.push(answer);
  good++;
});

afterAll(async () => {
  await node.stop();
  await bank.stop();
  // Only the good ones arrived, and every answer that named an entry has it.
  expect(bank.received).toHaveLength(good);
  expect(bank.count("pay")).toBe(0);
  const ledger = await provenLedger(
    directory,
    answers.map(({ receipt }) => receipt),
  );
  expect(outcomesOf(ledger, "succeeded")).toHaveLength(good);
  expect(outcomesOf(ledger, "refused")).toHaveLength(answers.length - good);
  for (const { receipt, code } of answers) {
    const entry = ledger.entries.find(({ id }) => id === receipt?.entry);
    if (code !== null) expect(entry?.outcome).toEqual({ kind: "refused", code });
  }
  removeDirectory(directory);
});

const payHeaders = () => ({ Authorization: `Bearer ${node.agentToken}`, "Mcp-Name": "bank__pay" });
const send = async (body: string | Buffer, headers: Record<string, string | undefined> = {}) => {
  const { status, body: text } = await ask(node.port, { body, headers: { ...payHeaders(), ...headers } });
  return answerOf(status, text);
};
const withArguments = (text: string): string =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bank__pay","arguments":${text},"_meta":${JSON.stringify(modernMeta)}}}`;

describe("a body that is not acceptable JSON is told so, and no call was attempted:", () => {
  test.each([
    ["half an object", '{"jsonrpc":"2.0",', /not valid JSON/],
    ["duplicate keys", withArguments('{"to":"a","amount":1,"amount":1000000}'), /amount/],
    ["a duplicate method", '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}', /method/],
    ["__proto__", withArguments('{"to":"a","amount":1,"__proto__":{"isAdmin":true}}'), /__proto__/],
    [
      "an unsafe integer",
      withArguments('{"to":"a","amount":9007199254740993}'),
      /9007199254740993|exact|integer/,
    ],
    ["an overflow", withArguments('{"to":"a","amount":1e999}'), /1e999|number|exact/],
    ["a lone surrogate", withArguments('{"to":"\\ud800","amount":1}'), /surrogate/],
    ["a nesting of 100,000", withArguments("[".repeat(100_000) + "]".repeat(100_000)), /deep|nest|level/i],
    [
      "a nesting of 100,000 objects",
      withArguments('{"a":'.repeat(100_000) + "1" + "}".repeat(100_000)),
      /deep|nest|level/i,
    ],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8/],
  ])("%s", async (_, body, says) => {
    const answer = await send(body);
    expect(answer).toMatchObject({ status: 400, rpcCode: -32700, code: "malformed-json", receipt: null });
    expect(answer.text).toMatch(says);
    expect(answer.body.length).toBeLessThan(1_000);
  });

  test("ten megabytes, with the bound in the answer, which no reset overtakes", async () => {
    const body = withArguments(`{"to":"${"a".repeat(10 * 1024 * 1024)}","amount":1}`);
    for (let i = 0; i < 20; i++) {
      const answer = await send(body);
      expect(answer).toMatchObject({ status: 413, code: "body-too-large" });
      expect(answer.text).toContain(String(4 * 1024 * 1024));
      expect(await send(body, { Authorization: undefined })).toMatchObject({ status: 401 });
    }
  });
});

describe("a request in the wrong form is told so:", () => {
  const sound = callBody("bank__pay", { to: "a", amount: 1 });
  const cases: [string, Record<string, string | undefined>, number, number][] = [
    ["no content type", { "Content-Type": undefined }, 415, -32600],
    ["no accept", { Accept: undefined }, 406, -32600],
    ["a version that is not the body's", { "MCP-Protocol-Version": "2025-06-18" }, 400, -32020],
    ["no version", { "MCP-Protocol-Version": undefined }, 400, -32020],
    ["another method", { "Mcp-Method": "tools/list" }, 400, -32020],
    ["another name", { "Mcp-Name": "bank__look" }, 400, -32020],
    ["no name", { "Mcp-Name": undefined }, 400, -32020],
    ["a foreign Host", { Host: "evil.example" }, 403, -31403],
    ["a foreign Origin", { Origin: "https://evil.example" }, 403, -31403],
  ];
  test.each(cases)("%s", async (_, headers, status, rpcCode) => {
    const answer = await send(sound, headers);
    expect(answer).toMatchObject({ status, rpcCode, receipt: null });
    expect(answer.text.length).toBeGreaterThan(20);
  });

  test.each([
    ["a batch", `[${sound}]`, -32600],
    ["no method", '{"jsonrpc":"2.0","id":1,"params":{}}', -32600],
    ["arguments that are a list", withArguments("[1]"), -32602],
    ["a name that is a number", sound.replace('"name":"bank__pay"', '"name":7'), -32602],
  ])("%s", async (_, body, rpcCode) => {
    const answer = await send(body, body.includes('"name":7') ? { "Mcp-Name": "7" } : {});
    expect(answer.status).toBe(400);
    expect([rpcCode, -32020]).toContain(answer.rpcCode);
    expect(answer.receipt).toBeNull();
  });
});

describe("a call that was attempted has an entry, whatever came of it:", () => {
  const refused = async (
    tool: string,
    args: unknown,
    meta: Record<string, unknown> = {},
  ): Promise<Answer> => {
    const answer = await node.call(tool, args, { meta });
    answers.push(answer);
    return answer;
  };

  test("an unknown tool", async () => {
    for (const name of ["bank__steal", "nobody__pay", "__proto__", "constructor", "pay"]) {
      const answer = await refused(name, {});
      expect(answer).toMatchObject({ status: 400, rpcCode: -32602, code: "unknown-tool" });
      expect(answer.text).toContain("list the tools");
    }
  });

  test.each([
    ["an argument of the wrong type", { to: "a", amount: "1" }, /amount.*integer/],
    ["a fraction for an integer", { to: "a", amount: 1.5 }, /amount.*integer/],
    ["an argument below its minimum", { to: "a", amount: 0 }, /amount/],
    ["a missing argument", { to: "a" }, /amount/],
    ["one argument too many", { to: "a", amount: 1, urgent: true }, /urgent/],
    ["a list where a text is asked", { to: ["a"], amount: 1 }, /to.*string/],
    ["null", { to: null, amount: 1 }, /to.*string/],
  ])("%s, with the argument's name", async (_, args, says) => {
    const answer = await refused("bank__pay", args);
    expect(answer).toMatchObject({ status: 200, isError: true, code: "invalid-arguments", effect: "none" });
    expect(answer.text).toMatch(says);
  });

  test.each([
    ["a step without a run", { "dev.signalbox/step": "a" }, /need.*run/],
    ["a run that is an object", { "dev.signalbox/run": {} }, /dev.signalbox\/run/],
    ["a run with a slash", { "dev.signalbox/run": "../../etc" }, /dev.signalbox\/run/],
    ["a step of 129 characters", { "dev.signalbox/run": "r", "dev.signalbox/step": "s".repeat(129) }, /step/],
    [
      "both a step and a key",
      { "dev.signalbox/run": "r", "dev.signalbox/step": "s", "dev.signalbox/key": "k" },
      /not both/,
    ],
    ["an attempt nobody made", { "dev.signalbox/run": "r", "dev.signalbox/attempt": 7 }, /attempt 7/],
  ])("%s", async (_, meta, says) => {
    const answer = await refused("bank__pay", { to: "a", amount: 1 }, meta);
    expect(answer).toMatchObject({ status: 400, rpcCode: -32602, code: "invalid-params" });
    expect(answer.text).toMatch(says);
  });
});
