import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaKeys } from "../../contract/index.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { allBytes, provenLedger, readLedger } from "../fixtures/offline-ledger.ts";
import { CountingServer } from "../fixtures/servers/counting.ts";

/** Canaries: each is put where it belongs, and then looked for everywhere else. */
const canary = {
  header: "canary-header-5f1c9e02ab",
  program: "canary-program-77ad1b3e9c",
  argument: "canary-argument-c2a9e7f410",
  result: "canary-result-19d3f0b5a8",
  refusedArgument: "canary-refused-8e64c0d7f2",
} as const;

const stdio = fileURLToPath(new URL("../fixtures/servers/stdio.ts", import.meta.url));
const bank = new CountingServer();
let directory: string;
let node: NodeProcess;
/** Everything the agent was ever answered. */
const told: string[] = [];
/** Everything an administrator was ever answered. */
const shown: string[] = [];

beforeAll(async () => {
  await bank.start();
  directory = newDirectory();
  const shell = (script: string, ...args: string[]) =>
    `command: sh, args: ${JSON.stringify(["-c", script, "sh", ...args])}, env: { API_TOKEN: "\${vault:program}" }`;
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  bank: { url: "${bank.url}", headers: { X-Api-Key: "\${vault:header}" }, tools: { look: { class: read } } }
  loud: { ${shell('echo "starting with $API_TOKEN" >&2; exec "$1" "$2"', process.execPath, stdio)} }
  broken: { ${shell('echo "the token $API_TOKEN is not accepted" >&2; exit 3')} }
log: { level: debug }
`,
  });
  for (const [name, value] of [
    ["header", canary.header],
    ["program", canary.program],
  ]) {
    const put = await node.admin("PUT", `/vault/${name}`, { value });
    expect(put.status).toBe(200);
    shown.push(JSON.stringify(put.body));
  }
  await node.toolsAre(["bank__pay", "loud__environment"]);
  await until(() => node.log.includes("not accepted"));
});
afterAll(async () => {
  await node.stop();
  await bank.stop();
  removeDirectory(directory);
});

async function call(tool: string, args: unknown, meta: Record<string, unknown> = {}): Promise<string> {
  const answer = await node.call(tool, args, { meta });
  told.push(answer.body);
  return answer.body;
}

const expectClean = (text: string, where: string): void => {
  for (const [name, value] of Object.entries({
    header: canary.header,
    program: canary.program,
    "agent token": node.agentToken,
    "signature of the agent token": node.agentToken.split(".")[2] ?? "",
    "admin key": node.adminKey,
  })) {
    expect(text.includes(value), `${name} in ${where}`).toBe(false);
    expect(text.includes(Buffer.from(value).toString("base64")), `${name} in base64 in ${where}`).toBe(false);
  }
};

describe("a credential of a server", () => {
  test("reaches that server and nobody else", async () => {
    await call("bank__look", { what: "x" });
    const [received] = bank.received;
    expect(received?.headers["x-api-key"]).toBe(canary.header);
    expect(received?.headers.authorization).toBeUndefined();
    expect(received?.body).not.toContain(node.agentToken);
  });

  test("is taken out of results, however it is written there", async () => {
    bank.answerText = ({ headers }) =>
      JSON.stringify([
        headers["x-api-key"],
        JSON.stringify({ key: headers["x-api-key"] }),
        Buffer.from(`user:${String(headers["x-api-key"])}`).toString("base64"),
      ]);
    const answer = await call("bank__look", { what: "y" });
    bank.answerText = ({ args }) => JSON.stringify(args);
    expect(answer).toContain("[secret]");
    expectClean(answer, "the answer");
    expect(await call("loud__environment", {})).toContain("[secret]");
  });

  test.each([
    ["that something went wrong", -32000],
    ["that the request was wrong", -32602],
  ])("is taken out of an error that says %s", async (_, code) => {
    bank.errorFor = ({ headers }) => ({
      code,
      message: `the key ${String(headers["x-api-key"])} has expired`,
    });
    const answer = await call("bank__pay", { to: `error ${code}`, amount: 1 });
    bank.errorFor = () => null;
    expect(answer).toContain("has expired");
    expectClean(answer, "the answer");
  });

  test("is taken out of progress", async () => {
    bank.progressText = `logged in with ${canary.header}`;
    const response = await fetch(`${node.url}/mcp`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${node.agentToken}`,
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "bank__look",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: {
          name: "bank__look",
          arguments: { what: "z" },
          _meta: {
            progressToken: "p",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
          },
        },
      }),
    });
    const stream = await response.text();
    bank.progressText = null;
    told.push(stream);
    expect(stream).toContain("notifications/progress");
    expect(stream).toContain("logged in with");
    expectClean(stream, "the stream");
  });

  test("is taken out of the reason why its server is down", async () => {
    const { body } = await node.admin<{ server: { health: { reason: string } } }>("GET", "/servers/broken");
    expect(body.server.health.reason).toContain("not accepted");
    expectClean(JSON.stringify(body), "the server's health");
    for (const path of ["/servers", "/servers/loud", "/servers/bank", "/vault", "/tools", "/status"]) {
      const answer = await node.admin("GET", path);
      expectClean(JSON.stringify(answer.body), path);
      shown.push(JSON.stringify(answer.body));
    }
    expect(JSON.stringify((await node.admin("GET", "/vault")).body)).toContain("header");
  });
});

test("wrong credentials in every place leave no trace in the log", async () => {
  for (const [path, headers] of [
    [`/mcp?access_token=${node.agentToken}`, {}],
    [`/api/v1/servers?token=${node.adminKey}`, {}],
    [`/api/v1/${node.adminKey}`, { Authorization: `Bearer ${node.adminKey}` }],
    [
      "/api/v1/servers",
      { Authorization: `Basic ${Buffer.from(`admin:${node.adminKey}`).toString("base64")}` },
    ],
    ["/api/v1/servers", { Cookie: `token=${node.adminKey}` }],
  ] as const) {
    const response = await fetch(`${node.url}${path}`, { headers });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expectClean(await response.text(), path);
  }
  await call(node.adminKey, {});
  told.pop(); // it may be told the name it called
});

test("nothing is left in answers, log, metrics, ledger, or in plain in any file", async () => {
  bank.answerText = () => canary.result;
  const named = { [metaKeys.run]: "r", [metaKeys.step]: "s" };
  expect(await call("bank__pay", { to: canary.argument, amount: 1 }, named)).toContain(canary.result);
  expect(await call("bank__pay", { to: canary.argument, amount: 2 })).toContain(canary.result);
  await call("bank__pay", { to: canary.refusedArgument, amount: "many" });
  await call("bank__steal", { to: canary.refusedArgument });
  // Sealed, not lost.
  const replayed = await call("bank__pay", { to: canary.argument, amount: 1 }, named);
  expect(replayed).toContain(canary.result);
  expect(bank.count("pay")).toBe(4);

  const metrics = (await node.page("/metrics")).text;
  const entries = await node.admin("GET", "/audit/entries?limit=500");
  await node.stop();
  for (const [where, text] of [
    ["the answers", told.join("\n")],
    ["what administrators see", shown.join("\n")],
    ["the log", node.log],
    ["the metrics", metrics],
    ["the list of entries", JSON.stringify(entries.body)],
  ] as const) {
    expectClean(text, where);
  }
  for (const [where, text] of [
    ["the log", node.log],
    ["the metrics", metrics],
    ["the list of entries", JSON.stringify(entries.body)],
    ["the leaves", JSON.stringify((await readLedger(directory)).entries)],
    ["the files", allBytes(directory)],
  ] as const) {
    expectClean(text, where);
    for (const [name, value] of Object.entries(canary)) {
      expect(text.includes(value), `${name} in ${where}`).toBe(false);
    }
  }
  await provenLedger(directory);
});
