import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import Database from "better-sqlite3";

/**
 * `npm run tour`: a node with three real servers, driven as an agent would, by the official MCP client; then its ledger, verified
 * offline, and a copy of it with one word changed. Everything you see really happens; nothing is left behind.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const cli = join(root, "src/cli/main.ts");
const work = mkdtempSync(join(tmpdir(), "signalbox-tour-"));
const scratch = join(work, "files");
const data = join(work, ".signalbox");

const paint = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
const bold = (text: string) => (paint ? `\u001b[1m${text}\u001b[0m` : text);
const dim = (text: string) => (paint ? `\u001b[2m${text}\u001b[0m` : text);
const say = (text = "") => process.stdout.write(`${text}\n`);
let chapters = 0;
const chapter = (title: string) => say(`\n${bold(`${++chapters}. ${title}`)}`);
const show = (text: string) => say(text.replaceAll(/^/gm, "   "));

class Surprise extends Error {}
const expectThat = (condition: boolean, what: string): void => {
  if (!condition) throw new Surprise(`the tour expected that ${what}`);
};

try {
  await tour();
  say(`\n${bold("That was the tour.")} Next: npm start, and point your own agent at it.`);
} catch (error) {
  say(`\nThe tour did not go as it should: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

async function tour(): Promise<void> {
  chapter("A node in front of three servers");
  const config = writeConfig();
  show(dim(config.text));
  const node = await startNode(config.file);
  try {
    show(`listening on ${node.url}/mcp`);
    await callsOf(node);
  } finally {
    await node.stop();
  }
  offline();
}

async function callsOf(node: RunningNode): Promise<void> {
  const agent = await connect(node);

  chapter("An agent lists its tools");
  const { tools } = await agent.listTools();
  show(
    `${tools.length} tools from files, memory and weather, for example ${tools
      .slice(0, 3)
      .map(({ name }) => name)
      .join(", ")}`,
  );
  expectThat(
    tools.some(({ name }) => name === "weather__forecast"),
    "the weather server offers its forecast",
  );
  expectThat(
    !tools.some(({ name }) => name === "files__move_file"),
    "a tool that is never allowed is not listed",
  );
  show("files__move_file is not among them: a policy forbids it to everyone.");

  chapter("A call that is allowed");
  const wrote = await agent.callTool({
    name: "files__write_file",
    arguments: { path: "reports/monday.txt", content: "All quiet." },
  });
  expectThat(wrote.isError !== true, "writing a report works");
  expectThat(
    readFileSync(join(scratch, "reports/monday.txt"), "utf8") === "All quiet.",
    "the file is really there",
  );
  show(`${textOf(wrote)}\nIts receipt: ${receiptOf(wrote)}`);

  chapter("A call that is denied, with its reason");
  const moved = await agent.callTool({
    name: "files__move_file",
    arguments: { source: "reports/monday.txt", destination: "gone.txt" },
  });
  expectThat(moved.isError === true, "moving a file is refused");
  show(textOf(moved));

  chapter("An argument that a policy refuses");
  const outside = await agent.callTool({
    name: "files__write_file",
    arguments: { path: "payroll.txt", content: "me: 1,000,000" },
  });
  expectThat(outside.isError === true, "writing outside the reports is refused");
  show(textOf(outside));

  chapter("A server that turns on its users");
  show(textOf(await forecast(agent)));
  show(
    "Right after that, the server described its tool in other words. It was approved with the old ones, so soon:",
  );
  let again = await forecast(agent);
  await until(async () => {
    again = await forecast(agent);
    return again.isError === true;
  });
  show(textOf(again));
  show(`$ signalbox tools diff weather__forecast\n${diffOf("weather__forecast")}`);
  await agent.close();
}

function offline(): void {
  chapter("The node is stopped. Is its ledger whole?");
  const honest = verify(data);
  show(honest.text);
  expectThat(honest.status === 0, "the ledger verifies");

  chapter("A copy, with one word changed");
  const copy = join(work, "tampered");
  cpSync(data, copy, { recursive: true });
  const database = new Database(join(copy, "signalbox.db"));
  const changed = database
    .prepare(
      `UPDATE entry SET leaf = replace(leaf, '"code":"denied"', '"code":"failed"') WHERE leaf LIKE '%"code":"denied"%'`,
    )
    .run();
  database.close();
  expectThat(changed.changes > 0, "there was a denial to hide");
  show("Somebody made the denials look like failures, straight in the database of a copy:");
  const forged = verify(copy);
  show(forged.text);
  expectThat(forged.status === 1, "the forgery is noticed");
}

interface Report {
  readonly tenants: readonly {
    readonly tenant: string;
    readonly proven: number;
    readonly checkpoints: number;
    readonly broken: {
      readonly kind: string;
      readonly position: number;
      readonly entry: string;
      readonly detail: string;
    } | null;
  }[];
}

/** What `signalbox audit verify` says of a data directory, in a few lines. */
function verify(directory: string): { status: number | null; text: string } {
  const args = ["audit", "verify", "--data", directory];
  const { status, stdout } = spawnSync(process.execPath, [cli, ...args, "--json"], { encoding: "utf8" });
  const lines = (JSON.parse(stdout) as Report).tenants.map(({ tenant, proven, checkpoints, broken }) =>
    broken === null
      ? `tenant ${tenant}: all ${proven} entries proven, under ${checkpoints} signed checkpoints`
      : `tenant ${tenant}: BROKEN at position ${broken.position}, entry ${broken.entry} (${broken.kind}): ${broken.detail}`,
  );
  return {
    status,
    text: [`$ signalbox ${args.slice(0, 2).join(" ")}`, ...lines, `exit code ${status}`].join("\n"),
  };
}

interface RunningNode {
  readonly url: string;
  readonly token: string;
  stop(): Promise<void>;
}

function writeConfig(): { file: string; text: string } {
  mkdirSync(join(scratch, "reports"), { recursive: true });
  const text = `# Written by the tour.
policies: { files: [${join(root, "examples/tour/policies.cedar")}] }
servers:
  files:
    command: ${process.execPath}
    args: [${packageFile("@modelcontextprotocol/server-filesystem", "dist/index.js")}, ${scratch}]
    cwd: ${scratch}
    tools: { read_text_file: { class: read }, list_directory: { class: read } }
  memory:
    command: ${process.execPath}
    args: [${packageFile("@modelcontextprotocol/server-memory", "dist/index.js")}]
    env: { MEMORY_FILE_PATH: ${join(work, "memory.jsonl")} }
  weather:
    command: ${process.execPath}
    args: [${join(root, "examples/tour/weather-server.ts")}]
`;
  const file = join(work, "signalbox.yaml");
  writeFileSync(file, text);
  return { file, text };
}

async function startNode(config: string): Promise<RunningNode> {
  const child = spawn(process.execPath, [cli, "dev", "--config", config, "--port", "0", "--json"], {
    cwd: work,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(-4_000)));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const banner = await Promise.race([
    firstJson(child.stdout),
    ended.then((code) =>
      Promise.reject(new Surprise(`the node starts, but it ended with ${code}:\n${errors}`)),
    ),
  ]);
  const { url, token } = banner as { url: string; token: string };
  return {
    url,
    token,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function firstJson(stream: NodeJS.ReadableStream): Promise<unknown> {
  return new Promise((resolve) => {
    let text = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      try {
        resolve(JSON.parse(text));
      } catch {
        // more is to come
      }
    });
  });
}

async function connect(node: RunningNode): Promise<Client> {
  const client = new Client({ name: "tour", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
  const transport = new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
    requestInit: { headers: { Authorization: `Bearer ${node.token}` } },
  });
  await client.connect(transport);
  await until(async () => (await client.listTools()).tools.some(({ name }) => name.startsWith("weather__")));
  return client;
}

/** Asks until it is so; servers need a moment to start, and to be heard. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const givenUpAt = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > givenUpAt) throw new Surprise(`it happens within 30 s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function forecast(agent: Client) {
  return agent.callTool({ name: "weather__forecast", arguments: { city: "Lisbon" } });
}

/** What is different between the approved definition and the one offered now. */
function diffOf(tool: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, [cli, "tools", "diff", tool, "--json"], {
    cwd: work,
    encoding: "utf8",
  });
  expectThat(stdout !== "", `the difference can be shown: ${stderr}`);
  const { offered } = JSON.parse(stdout) as {
    offered: { differences: readonly { pointer: string; before: string; after: string }[] };
  };
  return offered.differences
    .map(({ pointer, before, after }) => `${pointer}\n- ${before}\n+ ${after}`)
    .join("\n");
}

function textOf(result: { content?: unknown }): string {
  const blocks = Array.isArray(result.content) ? (result.content as { text?: unknown }[]) : [];
  return blocks.map(({ text }) => (typeof text === "string" ? text : "")).join("\n");
}

function receiptOf(result: { _meta?: Record<string, unknown> | undefined }): string {
  const receipt = result._meta?.["dev.signalbox/receipt"] as { entry?: string } | undefined;
  expectThat(typeof receipt?.entry === "string", "every answer carries a receipt");
  return receipt?.entry ?? "";
}

function packageFile(name: string, file: string): string {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
}
