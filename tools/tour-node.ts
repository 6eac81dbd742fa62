import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Surprise, expectThat } from "./tour-words.ts";

export const cli = join(import.meta.dirname, "../src/cli/main.ts");

export interface RunningNode {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

export async function startNode(config: string, work: string): Promise<RunningNode> {
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
    pid: child.pid ?? 0,
    async end(signal) {
      child.kill(signal);
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

/** An agent with the official client, once these servers offer their tools. */
export async function connect(node: RunningNode, servers: readonly string[]): Promise<Client> {
  const client = new Client({ name: "tour", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
  const transport = new StreamableHTTPClientTransport(new URL(`${node.url}/mcp`), {
    requestInit: { headers: { Authorization: `Bearer ${node.token}` } },
  });
  await client.connect(transport);
  await until(async () => {
    const names = (await client.listTools()).tools.map(({ name }) => name);
    return servers.every((server) => names.some((name) => name.startsWith(`${server}__`)));
  });
  return client;
}

/** Asks until it is so; servers need a moment to start, and to be heard. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const givenUpAt = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > givenUpAt) throw new Surprise(`it happens within 30 s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a command answers. Without variables of its own it is the admin's, whose key the node left in its data directory. */
export function signalbox(
  cwd: string,
  variables: Readonly<Record<string, string>>,
  ...args: string[]
): unknown {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, "--json"], {
    cwd,
    env: { ...process.env, ...variables },
    encoding: "utf8",
  });
  expectThat(status === 0, `signalbox ${args.slice(0, 2).join(" ")} works: ${stderr}`);
  return JSON.parse(stdout);
}
