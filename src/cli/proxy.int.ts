import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HttpFixture } from "../../test/fixtures/servers/http.ts";
import { Machine } from "./machine.fixture.ts";
import { connected } from "./mcp.fixture.ts";
import { childEnvironment } from "../../test/fixtures/child-environment.ts";

let machine: Machine;
let upstream: ChildProcess;
let upstreamUrl: string;

beforeEach(async () => {
  machine = new Machine();
  const port = await freePort();
  upstreamUrl = `http://127.0.0.1:${port}/mcp`;
  const manifest = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/package.json"));
  const program = manifest.replace(/package\.json$/, "dist/index.js");
  upstream = spawn(process.execPath, [program, "streamableHttp"], {
    env: { ...childEnvironment(), PORT: String(port) },
    stdio: "ignore",
  });
  await expect.poll(() => answers(upstreamUrl)).toBe(true);
});
afterEach(async () => {
  await machine.end();
  upstream.kill("SIGKILL");
});

describe("signalbox proxy", () => {
  test("serves one upstream under its own tool names without a token, and every call is on record", async () => {
    const { said } = await machine.node(["proxy", "--upstream", upstreamUrl, "--port", "0", "--json"]);
    const client = await connected(said.mcp, null);
    await expect.poll(async () => (await client.listTools()).tools.map(({ name }) => name)).toContain("echo");
    const answer = await client.callTool({ name: "echo", arguments: { message: "hello" } });
    expect(JSON.stringify(answer.content)).toContain("hello");
    await client.close();
    // There is nothing to sign in to.
    for (const path of ["/.well-known/oauth-authorization-server", "/oauth/authorize"])
      expect((await fetch(new URL(path, said.mcp))).status).toBe(404);
    const data = ["--data", ".signalbox/proxy"];
    const calls = await machine.json<{ items: readonly { name: string }[] }>(["calls", "ls", ...data]);
    expect(calls.items.map(({ name }) => name)).toEqual(["echo"]);
    expect((await machine.run(["audit", "verify", ...data])).code).toBe(0);
  });

  test("in the directory of another try-out serves what the new upstream offers, under whatever names", async () => {
    const other = new HttpFixture({ era: "modern" });
    await other.start();
    const first = await machine.node(["proxy", "--upstream", upstreamUrl, "--port", "0", "--json"]);
    await expect.poll(() => toolsOf(first.said.mcp)).toContain("echo");
    await first.node.stop();
    const second = await machine.node(["proxy", "--upstream", other.url, "--port", "0", "--json"]);
    await expect.poll(() => toolsOf(second.said.mcp)).toContain("until_cancelled");
    expect(await toolsOf(second.said.mcp)).toContain("echo");
    await other.stop();
  });

  test("refuses an upstream that is no address", async () => {
    const ran = await machine.run(["proxy", "--upstream", "ftp://x"]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("http or https")]);
  });
});

async function toolsOf(url: string): Promise<readonly string[]> {
  const client = await connected(url, null);
  const { tools } = await client.listTools();
  await client.close();
  return tools.map(({ name }) => name);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { method: "GET" });
    return true;
  } catch {
    return false;
  }
}
