import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { httpRecord, isAlive, serverRecord, UpstreamHarness } from "../../test/fixtures/upstream-harness.ts";
import { until } from "../../test/fixtures/until.ts";
import { profileOf } from "../registry/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import { childEnvironment } from "../../test/fixtures/child-environment.ts";

/** The reference server that offers something of everything, and more to clients that can do more. */
const program = join(
  import.meta.dirname,
  "../../node_modules/@modelcontextprotocol/server-everything/dist/index.js",
);
const able = profileOf({ roots: { listChanged: true }, sampling: {}, elicitation: {} });

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

describe.each(["stdio", "http"] as const)("the everything server over %s", (kind) => {
  let harness: UpstreamHarness;
  let server: ServerRecord;
  let child: ChildProcess | null = null;

  beforeAll(async () => {
    harness = new UpstreamHarness();
    if (kind === "stdio") {
      const args = [program, "stdio"];
      server = serverRecord({ kind: "stdio", command: process.execPath, args, env: {}, cwd: null });
    } else {
      const port = await freePort();
      const started = spawn(process.execPath, [program, "streamableHttp"], {
        env: { ...childEnvironment(), PORT: String(port) },
        stdio: ["ignore", "ignore", "pipe"],
      });
      child = started;
      let said = "";
      started.stderr.on("data", (chunk: Buffer) => (said += chunk.toString("utf8")));
      await until(() => said.includes("listening"));
      server = httpRecord(`http://127.0.0.1:${port}/mcp`);
    }
    await harness.connect(server);
  });

  afterAll(async () => {
    await harness.stop();
    expect(harness.net.poolCount).toBe(0);
    expect(harness.upstreams.processCount).toBe(0);
    const pid = child?.pid;
    child?.kill("SIGKILL");
    if (pid !== undefined)
      await until(() => child?.exitCode !== null || !isAlive(pid) || child.signalCode !== null);
  });

  const stops: (() => void)[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });

  it("offers more tools to a client that can do more", async () => {
    expect(harness.lastHealth(server).state).toBe("healthy");
    const plain = harness.offered(server).tools;
    await harness.upstreams.catalogueFor(server.id, able);
    const more = harness.offered(server, able).tools;
    expect(more.filter((tool) => !plain.includes(tool))).toEqual(
      expect.arrayContaining(["get-roots-list", "trigger-elicitation-request", "trigger-sampling-request"]),
    );
    expect(plain.every((tool) => more.includes(tool))).toBe(true);
    // It has one more, which can only be called as a task of the older era.
    expect([plain.length, more.length]).toEqual([12, 15]);
    expect(more).not.toContain("simulate-research-query");
  });

  it("is listed with its resources, templates, prompts and instructions", () => {
    const { resources, templates, prompts, instructions, serverInfo } = harness.offered(server);
    expect(resources.length).toBeGreaterThan(0);
    expect(templates.map((template) => template["uriTemplate"])).toContain(
      "demo://resource/dynamic/text/{resourceId}",
    );
    expect(prompts.map((prompt) => prompt["name"])).toContain("simple-prompt");
    expect(instructions).toContain("Everything");
    expect(serverInfo).toMatchObject({ name: "mcp-servers/everything" });
  });

  it("says that its resources changed, and is listed again", async () => {
    const before = harness.offered(server).resources.length;
    const data = "data:text/plain;base64,c2lnbmFs";
    await harness.call(server, "gzip-file-as-resource", {
      name: "signal.gz",
      data,
      outputType: "resourceLink",
    });
    await until(() => harness.offered(server).resources.length === before + 1);
    const uris = harness.offered(server).resources.map((resource) => String(resource["uri"]));
    expect(uris.some((uri) => uri.endsWith("signal.gz"))).toBe(true);
  });

  it("tells of updates of what is watched", async () => {
    const told: string[] = [];
    const uri = "demo://resource/dynamic/text/1";
    const watch = (): Promise<() => void> =>
      harness.upstreams.watchResource(server.id, uri, able, (updated) => told.push(updated));
    stops.push(await watch(), await watch());
    await harness.call(server, "toggle-subscriber-updates", {}, { profile: able });
    await until(() => told.length === 2);
    expect(new Set(told)).toEqual(new Set([uri]));
    await harness.call(server, "toggle-subscriber-updates", {}, { profile: able });
    expect(harness.lastHealth(server).state).toBe("healthy");
  });
});
