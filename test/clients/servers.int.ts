import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "../fixtures/node-process.ts";
import { NodeProcess, newDirectory, removeDirectory } from "../fixtures/node-process.ts";
import { until } from "../fixtures/until.ts";

/** Servers that people use, as they come from the registry, with their quirks, all behind one node. */
const here = import.meta.dirname;
const own = join(here, "node_modules");
const shared = join(here, "../../node_modules/@modelcontextprotocol");
/** The slowest of them starts for seconds, and here all start at once. */
const patienceMs = 90_000;

let directory: string;
let scratch: string;
let node: NodeProcess;
let git: ChildProcess;

const stdio = (path: string, args: string[] = [], rest = "") =>
  `{ command: ${JSON.stringify(process.execPath)}, args: ${JSON.stringify([path, ...args])}${rest} }`;

beforeAll(async () => {
  directory = newDirectory();
  scratch = join(directory, "scratch");
  mkdirSync(scratch);
  writeFileSync(join(scratch, "big.txt"), "0123456789abcde\n".repeat(96 * 1024));
  writeFileSync(join(scratch, "kubeconfig"), kubeconfig);
  const gitPort = await freePort();
  git = spawn(process.execPath, [join(own, "@cyanheads/git-mcp-server/dist/index.js")], {
    env: {
      PATH: process.env["PATH"],
      HOME: scratch,
      MCP_TRANSPORT_TYPE: "http",
      MCP_HTTP_HOST: "127.0.0.1",
      MCP_HTTP_PORT: String(gitPort),
      MCP_AUTH_MODE: "none",
    },
    stdio: "ignore",
  });
  node = await NodeProcess.start({
    directory,
    yaml: `
servers:
  everything: ${stdio(join(shared, "server-everything/dist/index.js"), ["stdio"])}
  files: ${stdio(join(shared, "server-filesystem/dist/index.js"), [scratch], ", resultBytesMax: 8MiB")}
  memory: ${stdio(join(shared, "server-memory/dist/index.js"), [], `, env: { MEMORY_FILE_PATH: ${JSON.stringify(join(scratch, "memory.jsonl"))} }`)}
  thinking: ${stdio(join(own, "@modelcontextprotocol/server-sequential-thinking/dist/index.js"))}
  github: ${stdio(join(own, "@modelcontextprotocol/server-github/dist/index.js"))}
  postgres: ${stdio(join(own, "@modelcontextprotocol/server-postgres/dist/index.js"), ["postgresql://127.0.0.1:1/none"])}
  react: ${stdio(join(own, "@modelcontextprotocol/server-basic-react/dist/index.js"), ["--stdio"])}
  eslint: ${stdio(join(own, "@eslint/mcp/src/mcp-cli.js"))}
  next: ${stdio(join(own, "next-devtools-mcp/dist/index.js"))}
  notion: ${stdio(join(own, "@notionhq/notion-mcp-server/bin/cli.mjs"), [], ", env: { NOTION_TOKEN: ntn_none }")}
  charts: ${stdio(join(own, "@antv/mcp-server-chart/build/index.js"))}
  heroku: ${stdio(join(own, "@heroku/mcp-server/bin/heroku-mcp-server.mjs"))}
  kube: { command: ${JSON.stringify(join(own, "kubernetes-mcp-server-linux-amd64/bin/kubernetes-mcp-server-linux-amd64"))}, args: [--kubeconfig, ${JSON.stringify(join(scratch, "kubeconfig"))}] }
  git: { url: "http://127.0.0.1:${gitPort}/mcp" }
`,
    limits: { connectTimeoutMs: 60_000, probeIntervalMs: 10_000, relistIntervalMs: 10_000 },
  });
}, patienceMs);
afterAll(async () => {
  await node.stop();
  const ended = new Promise((resolve) => git.once("close", resolve));
  git.kill("SIGKILL");
  await ended;
  removeDirectory(directory);
});

/** A cluster that is not there. */
const kubeconfig = JSON.stringify({
  apiVersion: "v1",
  kind: "Config",
  clusters: [{ name: "none", cluster: { server: "http://127.0.0.1:1" } }],
  contexts: [{ name: "none", context: { cluster: "none", user: "none" } }],
  users: [{ name: "none", user: {} }],
  "current-context": "none",
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What a server is called with, and what its answer must look like. */
const calls: readonly [string, number, string, Record<string, unknown>, (answer: Answer) => void][] = [
  ["everything", 12, "echo", { message: "hello" }, (answer) => expect(answer.text).toBe("Echo: hello")],
  ["files", 14, "list_allowed_directories", {}, (answer) => expect(answer.text).toContain("scratch")],
  ["memory", 9, "read_graph", {}, (answer) => expect(answer.text).toContain("entities")],
  [
    "thinking", // its schema has $ref
    1,
    "sequentialthinking",
    { thought: "so", nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
    (answer) => expect(answer.text).toContain("thoughtNumber"),
  ],
  ["github", 26, "search_repositories", { query: "x" }, (answer) => expect(answer.isError).toBe(true)], // 2024-11-05; offline
  ["postgres", 1, "query", { sql: "select 1" }, (answer) => expect(answer.isError).toBe(true)], // no database there
  ["react", 1, "get-time", {}, (answer) => expect(answer.isError).toBe(false)], // an MCP App
  ["eslint", 1, "lint-files", { filePaths: ["a.js"] }, (answer) => expect(answer.body).toContain("content")],
  ["next", 4, "nextjs_index", {}, (answer) => expect(answer.body).toContain("content")],
  ["notion", 24, "API-get-self", {}, (answer) => expect(answer.body).toContain("content")], // every schema has $ref
  [
    "charts",
    27,
    "generate_pie_chart",
    { data: [{ category: "a", value: 1 }] },
    (answer) => expect(answer.isError).toBe(true),
  ], // offline
  ["kube", 20, "configuration_view", {}, (answer) => expect(answer.body).toContain("content")], // modern over stdio
  ["git", 28, "git_status", { path: "." }, (answer) => expect(answer.body).toContain("content")], // 500 on discover
];

describe.each(calls)("%s", (server, tools, tool, args, check) => {
  test(
    `offers its ${tools} tools and answers ${tool}`,
    async () => {
      const name = `${server}__${tool}`;
      await node.toolsAre([name], patienceMs - 20_000);
      const offered = (await node.tools()).filter((each) => each.startsWith(`${server}__`));
      expect(offered.length).toBe(tools);
      const answer = await node.call(name, args);
      expect(answer.code).toBeNull();
      expect(answer.receipt).not.toBeNull();
      check(answer);
    },
    patienceMs,
  );
});

test(
  "a result of three megabytes comes through",
  async () => {
    const answer = await node.call("files__read_text_file", { path: join(scratch, "big.txt") });
    expect(answer).toMatchObject({ isError: false, code: null });
    expect(answer.body.length).toBeGreaterThan(3 * 1024 * 1024);
  },
  patienceMs,
);

test(
  "a server that never starts is down with its reason, and nobody else is",
  async () => {
    let health = { state: "", reason: "" };
    await until(async () => {
      const { body } = await node.admin<{ server: { health: typeof health } }>("GET", "/servers/heroku");
      ({ health } = body.server);
      return health.state === "down";
    }, patienceMs - 20_000);
    expect(health.reason.length).toBeGreaterThan(10);
    expect((await node.tools()).some((name) => name.startsWith("heroku__"))).toBe(false);
  },
  patienceMs,
);
