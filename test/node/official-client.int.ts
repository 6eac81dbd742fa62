import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientOptions } from "@modelcontextprotocol/client";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReceiptReference } from "../../contract/index.ts";
import { metaKeys } from "../../contract/index.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";
import { outcomesOf, provenLedger } from "../fixtures/offline-ledger.ts";
import { HttpFixture } from "../fixtures/servers/http.ts";

/** The official client, in both eras, against a whole node with the reference servers behind it. */
const modules = join(import.meta.dirname, "../../node_modules/@modelcontextprotocol");
const receipts: ReceiptReference[] = [];
const web = new HttpFixture({ era: "modern" });
let directory: string;
let node: NodeProcess;

beforeAll(async () => {
  await web.start();
  directory = newDirectory();
  const run = (...args: string[]) =>
    `command: ${JSON.stringify(process.execPath)}, args: ${JSON.stringify(args)}`;
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  everything: { ${run(join(modules, "server-everything/dist/index.js"), "stdio")} }
  files: { ${run(join(modules, "server-filesystem/dist/index.js"), directory)}, tools: { read_text_file: { class: read } } }
  memory: { ${run(join(modules, "server-memory/dist/index.js"))}, env: { MEMORY_FILE_PATH: ${JSON.stringify(join(directory, "memory.jsonl"))} } }
  web: { url: "${web.url}", tools: { hang: { class: read } } }
`,
    limits: { connectTimeoutMs: 20_000, probeIntervalMs: 10_000, relistIntervalMs: 10_000 },
  });
  await node.toolsAre(["everything__echo", "files__read_text_file", "memory__create_entities", "web__hang"]);
});
afterAll(async () => {
  await node.stop();
  await web.stop();
  const ledger = await provenLedger(directory, receipts);
  expect(outcomesOf(ledger, "succeeded").length).toBeGreaterThanOrEqual(receipts.length);
  removeDirectory(directory);
});

interface Said {
  readonly content?: unknown;
  readonly isError?: boolean | undefined;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
}
const textOf = ({ content }: Said): string => (content as { text: string }[])[0]?.text ?? "";

async function connected(negotiation: ClientOptions["versionNegotiation"]): Promise<Client> {
  const client = new Client(
    { name: "somebody's agent", version: "1" },
    negotiation === undefined ? {} : { versionNegotiation: negotiation },
  );
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${node.agentToken}` } },
    }),
  );
  return client;
}

describe.each([
  ["modern", { mode: "auto" }],
  ["legacy", { mode: "legacy" }],
] as const)("in the %s era", (era, negotiation) => {
  let client: Client;
  beforeAll(async () => {
    client = await connected(negotiation);
  });
  afterAll(() => client.close());

  const call = async (name: string, args: Record<string, unknown>, options = {}): Promise<Said> => {
    const said = (await client.callTool({ name, arguments: args }, options)) as Said;
    const receipt = said._meta?.[metaKeys.receipt] as ReceiptReference | undefined;
    if (receipt !== undefined) receipts.push(receipt);
    return said;
  };

  test("it lists the tools of all servers", async () => {
    expect(client.getProtocolEra()).toBe(era);
    const { tools } = await client.listTools();
    const servers = Map.groupBy(tools, ({ name }) => name.split("__")[0]);
    expect(servers.get("files")).toHaveLength(14);
    expect(servers.get("memory")).toHaveLength(9);
    expect(servers.get("everything")?.length).toBeGreaterThanOrEqual(12);
    for (const tool of tools) {
      expect(tool.name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
      expect(tool.inputSchema.type).toBe("object");
    }
  });

  test("it calls them, and what they did is done", async () => {
    const path = join(directory, `${era}.txt`);
    const written = await call("files__write_file", { path, content: `written in the ${era} era` });
    expect(written.isError ?? false).toBe(false);
    expect(readFileSync(path, "utf8")).toBe(`written in the ${era} era`);
    expect(textOf(await call("files__read_text_file", { path }))).toBe(`written in the ${era} era`);
    expect(textOf(await call("everything__echo", { message: "hello" }))).toContain("hello");
    expect(textOf(await call("everything__get-sum", { a: 2, b: 3 }))).toContain("5");
    const entities = [{ name: `Ada ${era}`, entityType: "person", observations: ["counts"] }];
    expect(textOf(await call("memory__create_entities", { entities }))).toContain(`Ada ${era}`);
    expect(existsSync(join(directory, "memory.jsonl"))).toBe(true);
    const structured = await client.callTool({
      name: "everything__get-structured-content",
      arguments: { location: "New York" },
    });
    expect(structured).toMatchObject({
      structuredContent: expect.objectContaining({ temperature: expect.any(Number) }),
    });
  });

  test("it hears how far a long one is", async () => {
    const seen: number[] = [];
    const said = await call(
      "everything__trigger-long-running-operation",
      { duration: 0.4, steps: 4 },
      { onprogress: ({ progress }: { progress: number }) => seen.push(progress) },
    );
    expect(said.isError ?? false).toBe(false);
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test("it hears no in words it can use", async () => {
    const refused = await call("files__read_text_file", { path: 7 });
    expect(refused.isError).toBe(true);
    expect(textOf(refused)).toMatch(/path.*string/);
    const outside = await call("files__read_text_file", { path: "/etc/passwd" });
    expect(outside.isError).toBe(true); // the server itself says no
    expect(textOf(outside)).toMatch(/denied|outside/i);
    await expect(client.callTool({ name: "files__no_such_tool", arguments: {} })).rejects.toMatchObject({
      code: -32602,
    });
  });

  test("a read it gives up is given up at the server; an effect is seen through and recorded", async () => {
    const abandoned = web.abandoned;
    const hangs = web.mcp.executed.get("hang") ?? 0;
    const giveUp = new AbortController();
    const hanging = client.callTool({ name: "web__hang", arguments: {} }, { signal: giveUp.signal });
    await until(() => web.mcp.executed.get("hang") === hangs + 1);
    giveUp.abort();
    await expect(hanging).rejects.toThrow();
    await until(() => web.abandoned === abandoned + 1);

    const slow = web.mcp.executed.get("slow") ?? 0;
    const leave = new AbortController();
    const paying = client.callTool(
      {
        name: "web__slow",
        arguments: { ms: 500 },
        _meta: { [metaKeys.run]: "left", [metaKeys.step]: era },
      },
      { signal: leave.signal },
    );
    await until(() => web.mcp.executed.get("slow") === slow + 1);
    leave.abort();
    await expect(paying).rejects.toThrow();
    // Whoever asks again for the same step gets what came of it, and the server is not asked again.
    const again = (await client.callTool({
      name: "web__slow",
      arguments: { ms: 500 },
      _meta: { [metaKeys.run]: "left", [metaKeys.step]: era },
    })) as Said;
    expect(textOf(again)).toBe("slept");
    expect(web.mcp.executed.get("slow")).toBe(slow + 1);
    receipts.push(again._meta?.[metaKeys.receipt] as ReceiptReference);
  });

  test("it is told when it is not welcome any more", async () => {
    await node.admin("POST", "/agents", { name: `guest-${era}`, roles: [] });
    const issued = await node.admin<{ token: string }>("POST", `/agents/guest-${era}/tokens`, {
      ttlMs: 600_000,
    });
    const guest = new Client({ name: "guest", version: "1" }, { versionNegotiation: negotiation });
    await guest.connect(
      new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${issued.body.token}` } },
      }),
    );
    expect(
      textOf((await guest.callTool({ name: "everything__echo", arguments: { message: "hi" } })) as Said),
    ).toContain("hi");
    await node.admin("DELETE", `/agents/guest-${era}/tokens`);
    await expect(
      guest.callTool({ name: "everything__echo", arguments: { message: "hi" } }),
    ).rejects.toThrow();
    await guest.close();
  });
});

describe("a legacy session", () => {
  test("that this process does not know is answered with 404, on which clients begin anew", async () => {
    const client = await connected({ mode: "legacy" });
    await client.listTools();
    const url = new URL(node.url);
    expect(url.hostname).toBe("127.0.0.1");
    const stale = await fetch(`${node.url}/mcp`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${node.agentToken}`,
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
        "Mcp-Session-Id": "of-another-process",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
    });
    expect(stale.status).toBe(404);
    await client.close();
  });
});
