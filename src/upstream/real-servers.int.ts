import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { httpRecord, isAlive, serverRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import type { ServerRecord } from "../registry/index.ts";
import { childEnvironment } from "../../test/fixtures/child-environment.ts";

/** The reference servers, started as an administrator would configure them. */
const modules = join(import.meta.dirname, "../../node_modules/@modelcontextprotocol");
const directory = mkdtempSync(join(tmpdir(), "signalbox-real-"));
const stdio = (...args: string[]): ServerRecord =>
  serverRecord({
    kind: "stdio",
    command: process.execPath,
    args,
    env: { MEMORY_FILE_PATH: { literal: join(directory, "memory.jsonl") } },
    cwd: null,
  });

const everything = join(modules, "server-everything/dist/index.js");
const servers = {
  everything: stdio(everything, "stdio"),
  filesystem: stdio(join(modules, "server-filesystem/dist/index.js"), directory),
  memory: stdio(join(modules, "server-memory/dist/index.js")),
};

describe("the reference servers over stdio", () => {
  const harness = new UpstreamHarness();
  beforeAll(() => harness.connect(...Object.values(servers)));
  afterAll(async () => {
    await harness.stop();
    expect(harness.upstreams.processCount).toBe(0);
    rmSync(directory, { recursive: true });
  });

  it("are healthy, of the legacy era, and offer their tools", () => {
    for (const server of Object.values(servers)) {
      expect(harness.lastHealth(server).state).toBe("healthy");
      expect(harness.eras.get(server.id)).toBe("legacy");
    }
    expect(harness.tools.get(servers.filesystem.id)).toHaveLength(14);
    expect(harness.tools.get(servers.memory.id)).toHaveLength(9);
    expect(harness.tools.get(servers.everything.id)?.length).toBeGreaterThanOrEqual(12);
  });

  it("do what they are asked", async () => {
    writeFileSync(join(directory, "note.txt"), "signal box");
    expect(
      await harness.say(servers.filesystem, "read_text_file", { path: join(directory, "note.txt") }),
    ).toBe("signal box");
    expect(await harness.say(servers.everything, "echo", { message: "hello" })).toContain("hello");
    const entities = [{ name: "Ada", entityType: "person", observations: ["counts"] }];
    expect(await harness.say(servers.memory, "create_entities", { entities })).toContain("Ada");
  });

  it("report progress", async () => {
    const progress: unknown[] = [];
    await harness.call(
      servers.everything,
      "trigger-long-running-operation",
      { duration: 0.3, steps: 3 },
      {
        onProgress: (value) => progress.push(value),
      },
    );
    expect(progress.length).toBeGreaterThanOrEqual(3);
  });

  it("answer an unknown tool and wrong arguments in a way that is not taken for success", async () => {
    const unknown = await harness.call(servers.everything, "no-such-tool");
    expect(
      unknown.kind === "rejected" || (unknown.kind === "result" && unknown.value["isError"] === true),
    ).toBe(true);
    const wrong = await harness.call(servers.filesystem, "read_text_file", { path: 7 });
    expect(wrong.kind === "rejected" || (wrong.kind === "result" && wrong.value["isError"] === true)).toBe(
      true,
    );
  });
});

describe("the everything server over HTTP", () => {
  let child: ChildProcess | null = null;
  let harness: UpstreamHarness | null = null;
  afterEach(async () => {
    await harness?.stop();
    child?.kill("SIGKILL");
  });

  it("is connected, called, and called again after it was restarted and forgot the session", async () => {
    const port = await freePort();
    const launch = async (): Promise<ChildProcess> => {
      const started = spawn(process.execPath, [everything, "streamableHttp"], {
        env: { ...childEnvironment(), PORT: String(port) },
        stdio: ["ignore", "ignore", "pipe"],
      });
      let said = "";
      started.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      await until(() => said.includes(String(port)));
      return started;
    };
    child = await launch();
    harness = new UpstreamHarness({ backoffFirstMs: 50, probeIntervalMs: 200 });
    const server = httpRecord(`http://127.0.0.1:${port}/mcp`);
    await harness.connect(server);
    expect(harness.eras.get(server.id)).toBe("legacy");
    expect(await harness.say(server, "echo", { message: "over http" })).toContain("over http");
    const { pid } = child;
    child.kill("SIGKILL");
    await until(() => pid !== undefined && !isAlive(pid));
    child = await launch();
    const present = harness;
    await until(
      () =>
        present.lastHealth(server).state === "healthy" &&
        present.events.filter((event) => event.kind === "connected").length > 1,
    );
    expect(await harness.say(server, "echo", { message: "again" })).toContain("again");
  });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return port;
}
