import { statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRunning, Machine } from "./machine.fixture.ts";
import { connected } from "./mcp.fixture.ts";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.end());

const demo = ["dev", "--demo", "--port", "0", "--json"];

describe("signalbox dev", () => {
  test("starts three real servers, and the printed URL and token work in the reference client", async () => {
    const { said } = await machine.node(demo);
    expect(said.servers.map(({ name, state }) => [name, state])).toEqual([
      ["everything", "healthy"],
      ["files", "healthy"],
      ["memory", "healthy"],
    ]);
    const client = await connected(said.mcp, said.token);
    const { tools } = await client.listTools();
    expect(tools.length).toBe(said.servers.reduce((sum, server) => sum + server.tools, 0));
    const answer = await client.callTool({ name: "everything__get-sum", arguments: { a: 2, b: 3 } });
    expect(JSON.stringify(answer.content)).toContain("The sum of 2 and 3 is 5");
    await client.close();
    const calls = await machine.json<{ items: readonly { name: string; outcome: unknown }[] }>([
      "calls",
      "ls",
    ]);
    expect(calls.items).toMatchObject([
      { name: "everything__get-sum", outcome: { kind: "succeeded", isError: false } },
    ]);
  });

  test("prints the same token at every start, and keeps it from everyone else", async () => {
    const first = await machine.node(demo);
    expect(await first.node.stop()).toBe(0);
    const second = await machine.node(demo);
    expect(second.said.token).toBe(first.said.token);
    for (const file of ["dev-agent.key", "cli.json", "node.key"]) {
      expect(statSync(join(machine.work, ".signalbox", file)).mode & 0o777).toBe(0o600);
    }
    await second.node.stop();
    for (const text of [machine.read("work/.signalbox/signalbox.log"), second.node.stderr]) {
      expect(text).not.toContain(second.said.token);
    }
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "ends in order on %s, and leaves no process behind",
    async (signal) => {
      const { node } = await machine.node(demo);
      const children = node.children();
      expect(children.length).toBeGreaterThanOrEqual(3);
      expect(await node.stop(signal)).toBe(0);
      await expect.poll(() => children.filter(isRunning)).toEqual([]);
    },
  );

  test("one press of Ctrl-C that arrives twice is one", async () => {
    const { node } = await machine.node(demo);
    node.signal("SIGINT");
    expect(await node.stop("SIGINT")).toBe(0);
  });

  test("a second signal ends it at once, and its servers with it", async () => {
    const { said, node } = await machine.node(demo);
    const client = await connected(said.mcp, said.token);
    const args = { duration: 60, steps: 60 };
    // Its answer never comes; the client goes on looking for it until it is closed.
    void client
      .callTool({ name: "everything__trigger-long-running-operation", arguments: args })
      .catch(() => undefined);
    const dispatched = async () =>
      (await machine.json<{ items: readonly unknown[] }>(["calls", "ls", "--state", "dispatched"])).items
        .length;
    await expect.poll(dispatched).toBe(1);
    const children = node.children();
    await expect.poll(() => node.child.exitCode ?? (node.signal("SIGTERM"), null), { interval: 100 }).toBe(1);
    await expect.poll(() => children.filter(isRunning)).toEqual([]);
    await client.close().catch(() => undefined);

    await machine.node(demo);
    const unknown = await machine.json<{ items: readonly { name: string }[] }>([
      "calls",
      "ls",
      "--state",
      "unknown",
    ]);
    expect(unknown.items.map(({ name }) => name)).toEqual(["everything__trigger-long-running-operation"]);
  });

  test("finds the servers of other clients, moves their secrets into the vault, and says so", async () => {
    machine.put(".cursor/mcp.json", {
      mcpServers: {
        "My Server": {
          command: process.execPath,
          args: ["-e", "0"],
          env: { API_TOKEN: "canary-0123456789abcdef" },
        },
      },
    });
    const { said, node } = await machine.node(["dev", "--port", "0", "--json"]);
    expect(said.imported).toEqual(["my-server"]);
    expect(said.notes.join("\n")).toContain('in the vault as "my-server.API_TOKEN"');
    const vault = await machine.json<{ items: readonly { name: string }[] }>(["vault", "ls"]);
    expect(vault.items.map(({ name }) => name)).toEqual(["my-server.API_TOKEN"]);
    const shown = await machine.run(["servers", "show", "my-server"]);
    expect(shown.stdout).toContain('"vault": "my-server.API_TOKEN"');
    await node.stop();
    for (const text of [
      shown.stdout,
      node.stdout,
      node.stderr,
      machine.read("work/.signalbox/signalbox.log"),
    ]) {
      expect(text).not.toContain("canary");
    }
  });

  test("says once that a server does not work, and why, and goes on", async () => {
    machine.put("work/signalbox.yaml", "servers: { gone: { command: no-such-program } }\n");
    const { said, node } = await machine.node(["dev", "--no-import", "--port", "0", "--json"]);
    expect(said.servers).toMatchObject([{ name: "gone", state: "down", tools: 0 }]);
    const attempts = () => machine.read("work/.signalbox/signalbox.log").split("no-such-program").length - 1;
    await expect.poll(attempts).toBeGreaterThan(2);
    expect(node.stderr.split("no-such-program").length - 1).toBe(1);
  });

  test("what was removed stays removed, and the node never becomes a server of itself", async () => {
    machine.put(".cursor/mcp.json", { mcpServers: { mine: { url: "http://127.0.0.1:9/mcp" } } });
    const first = await machine.node(["dev", "--port", "0", "--json"]);
    expect(first.said.imported).toEqual(["mine"]);
    // A client's entry for the node itself, as `dev` tells people to write it.
    const itself = { mcpServers: { itself: { url: first.said.mcp } } };
    machine.put("work/.mcp.json", itself);
    const port = new URL(first.said.mcp).port;
    await machine.json(["servers", "rm", "mine"]);
    await first.node.stop();
    const second = await machine.node(["dev", "--port", port, "--json"]);
    expect(second.said.imported).toEqual([]);
    expect(second.said.servers).toEqual([]);
  });

  test("prints a page that a person can follow", async () => {
    const run = machine.run(["dev", "--no-import", "--port", "0"], { stdin: "" });
    await expect
      .poll(() => {
        try {
          return machine.read("work/.signalbox/cli.json").length;
        } catch {
          return 0;
        }
      })
      .toBeGreaterThan(0);
    await expect.poll(async () => (await machine.run(["status"])).code).toBe(0);
    process.kill(Number(machine.read("work/.signalbox/signalbox.pid")), "SIGTERM");
    const { code, stdout } = await run;
    expect(code).toBe(0);
    for (const words of ["is running", "claude mcp add", ".cursor/mcp.json", "servers add", "curl"]) {
      expect(stdout).toContain(words);
    }
  });
});
