import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "@modelcontextprotocol/client";
import Database from "better-sqlite3";
import { approvalChapters } from "./tour-approval.ts";
import { hostedChapter } from "./tour-hosted.ts";
import type { RunningNode } from "./tour-node.ts";
import { cli, connect, startNode, until } from "./tour-node.ts";
import { bold, chapter, dim, expectThat, receiptOf, say, show, textOf } from "./tour-words.ts";

/**
 * `npm run tour`: a node with four servers, driven as an agent would, by the official MCP client, and killed while people decide about a
 * payment; an agent that it drives, killed in the middle of a run; then its ledger, verified offline, and a copy of it with one word changed. Everything you see really happens; nothing is left behind.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "signalbox-tour-"));
const scratch = join(work, "files");
const data = join(work, ".signalbox");
const books = join(work, "books.txt");

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
  chapter("A node in front of four servers");
  const config = writeConfig();
  show(dim(config.text));
  let node = await startNode(config.file, work);
  try {
    show(`listening on ${node.url}/mcp`);
    await callsOf(node);
    await approvalChapters(node, {
      work,
      books,
      startAgain: async () => (node = await startNode(config.file, work)),
    });
    await hostedChapter({ work, scratch });
  } finally {
    await node.end("SIGTERM");
  }
  offline();
}

async function callsOf(node: RunningNode): Promise<void> {
  const agent = await connect(node, ["files", "memory", "weather", "bank"]);

  chapter("An agent lists its tools");
  const { tools } = await agent.listTools();
  show(
    `${tools.length} tools from files, memory, weather and bank, for example ${tools
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
  bank:
    command: ${process.execPath}
    args: [${join(root, "examples/tour/bank-server.ts")}]
    env: { BOOKS: ${books} }
agents:
  clerk: { module: ${join(root, "examples/tour/clerk-agent.ts")}, version: "1" }
`;
  const file = join(work, "signalbox.yaml");
  writeFileSync(file, text);
  return { file, text };
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

function packageFile(name: string, file: string): string {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
}
