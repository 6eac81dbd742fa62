import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioTransportV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRunning, Machine } from "./machine.fixture.ts";
import { childEnvironment } from "../../test/fixtures/child-environment.ts";

let machine: Machine;
const open: { close(): Promise<void> }[] = [];

beforeEach(() => {
  machine = new Machine();
  machine.put("work/signalbox.yaml", {
    servers: {
      files: {
        command: process.execPath,
        args: [
          join(
            import.meta.dirname,
            "../../node_modules/@modelcontextprotocol/server-filesystem/dist/index.js",
          ),
          machine.home,
        ],
      },
    },
  });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  await machine.end();
});

const main = join(import.meta.dirname, "main.ts");
const launch = (...args: string[]) => ({
  command: process.execPath,
  args: [main, "stdio", "--no-import", ...args],
  cwd: machine.work,
  env: { ...childEnvironment(), HOME: machine.home },
  stderr: "pipe" as const,
});

type Mode = "legacy" | "auto";

async function client(
  mode: Mode = "legacy",
  ...args: string[]
): Promise<{ client: Client; pid: number; said: () => string }> {
  const transport = new StdioClientTransport(launch(...args));
  let said = "";
  transport.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const made = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  open.push(made);
  await made.connect(transport, { timeout: 50_000 });
  return { client: made, pid: transport.pid ?? 0, said: () => said };
}

const read = { name: "files__list_allowed_directories", arguments: {} };

async function works(of: Client): Promise<void> {
  // Lists hold what is healthy: a server of a fresh node may need a moment.
  await expect.poll(async () => (await of.listTools()).tools.map(({ name }) => name)).toContain(read.name);
  expect(JSON.stringify((await of.callTool(read)).content)).toContain(machine.home);
}

describe("signalbox stdio", () => {
  test.each(["legacy", "auto"] as const)(
    "serves the official client, %s, and ends with its input",
    async (mode) => {
      const { client: one, pid, said } = await client(mode);
      await works(one);
      expect(said()).toContain("A node of this process serves at http://127.0.0.1:");
      await one.close();
      await expect.poll(() => isRunning(pid)).toBe(false);
    },
  );

  test("serves version 1 of it", async () => {
    const one = new ClientV1({ name: "test", version: "1" });
    open.push(one);
    await one.connect(new StdioTransportV1(launch()), { timeout: 50_000 });
    await expect.poll(async () => (await one.listTools()).tools.map(({ name }) => name)).toContain(read.name);
    expect((await one.callTool(read)).isError).not.toBe(true);
  });

  test("is a bridge to the node that runs, under the key of its agent", async () => {
    const { node } = await machine.node(["dev", "--no-import", "--port", "0", "--json"]);
    const { client: one, said } = await client();
    await works(one);
    expect(said()).toBe("");
    const calls = await machine.json<{ items: readonly { principal: string }[] }>(["calls", "ls"]);
    expect(JSON.stringify(calls)).toContain("agent/");
    expect(node.child.exitCode).toBeNull();
  });

  test("is a bridge to a named node, and says what is wrong with a token", async () => {
    const { said } = await machine.node(["dev", "--no-import", "--port", "0", "--json"]);
    const { client: one } = await client("legacy", "--url", said.mcp, "--token", said.token);
    await works(one);
    const hello = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n';
    const wrong = await machine.run(["stdio", "--url", said.url, "--token", "wrong"], { stdin: hello });
    expect(JSON.parse(wrong.stdout)).toMatchObject({ id: 1, error: { code: -31401 } });
    expect(wrong.stderr).toContain("SIGNALBOX_TOKEN");
    expect(wrong.code).toBe(0);
  });

  test("launched several times at once is one node, and goes on when that one is killed", async () => {
    const all = await Promise.all([client("legacy"), client("auto"), client("legacy")]);
    for (const each of all) await works(each.client);
    const owner = all.find((each) => each.said().includes("A node of this process"));
    const others = all.filter((each) => each !== owner);
    expect(others).toHaveLength(2);
    for (const other of others) expect(other.said()).toBe("");
    const pid = owner?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    // What reaches it while it dies may have happened, and is answered so; what comes afterwards is served by another.
    await expect.poll(() => isRunning(pid)).toBe(false);
    for (const other of others) await works(other.client);
    await expect
      .poll(() => others.filter((other) => other.said().includes("A node of this process")).length)
      .toBe(1);
  });

  test("answers what it was asked when the input ends at once, with nothing else on its output", async () => {
    const begin = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "pipe", version: "1" },
    };
    const input = [
      { jsonrpc: "2.0", id: 1, method: "initialize", params: begin },
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 2, method: "ping" },
    ];
    const stdin = input.map((message) => JSON.stringify(message)).join("\n");
    const ran = await machine.run(["stdio", "--no-import"], { stdin });
    expect(ran.code).toBe(0);
    const lines = ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: unknown });
    expect(lines.map(({ id }) => id)).toEqual([1, 2]);
  });

  test("ends in order on SIGTERM, and leaves no server behind", async () => {
    const { client: one, pid, said } = await client();
    await works(one);
    process.kill(pid, "SIGTERM");
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect(said()).not.toContain("did not stop cleanly");
  });

  test("says why a node cannot be had", async () => {
    machine.put("work/signalbox.yaml", "servrs: {}\n");
    const ran = await machine.run(["stdio"]);
    expect([ran.code, ran.stdout]).toEqual([1, ""]);
    expect(ran.stderr).toContain("servers");
  });

  test("serves a client over HTTP beside the one that launched it", async () => {
    const { client: one } = await client();
    await works(one);
    const { url } = JSON.parse(machine.read("work/.signalbox/cli.json")) as { url: string };
    const token = machine.read("work/.signalbox/dev-agent.key").trim();
    const other = new Client({ name: "http", version: "1" });
    open.push(other);
    await other.connect(
      new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
      }),
    );
    await works(other);
  });
});
