import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));
const readyMs = 60_000;

/** One `signalbox serve` of the built package. */
export interface ServeNode {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  kill9(): Promise<void>;
}

export interface NodesWishes {
  readonly directory: string;
  readonly database: string;
  readonly count: number;
  /** Servers and agents of signalbox.yaml. */
  readonly yaml: string;
  /** Until it can be called, a node is not ready. */
  readonly tool: string;
}

/** Nodes of the built package on one database, an administrator, and an agent who may call everything. */
export class Nodes {
  readonly all: readonly ServeNode[];
  readonly agentToken: string;
  private readonly adminKey: string;
  private readonly children: readonly ChildProcess[];

  private constructor(
    all: readonly ServeNode[],
    children: readonly ChildProcess[],
    keys: { admin: string; agent: string },
  ) {
    this.all = all;
    this.children = children;
    this.adminKey = keys.admin;
    this.agentToken = keys.agent;
  }

  static async start(wishes: NodesWishes): Promise<Nodes> {
    if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`);
    const { directory, count } = wishes;
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "node.key"), randomBytes(32).toString("base64"), { mode: 0o600 });
    writeFileSync(
      join(directory, "all.cedar"),
      `permit (principal is Person in Role::"admin", action in Action::"admin", resource);
permit (principal is Agent, action == Action::"call", resource);
`,
    );
    writeFileSync(join(directory, "signalbox.yaml"), configOf(wishes));
    const children: ChildProcess[] = [];
    const all: ServeNode[] = [];
    try {
      // One after the other: the first makes the tables.
      for (let at = 0; at < count; at++) {
        const { child, node } = await startOne(directory, `node-${at + 1}`);
        children.push(child);
        all.push(node);
      }
      const keyFile = join(directory, "admin.key");
      // Written once the node listens.
      await until("the administrator's key is there", readyMs, async () => textIn(keyFile) !== "");
      const system = textIn(keyFile);
      const base = all[0]?.url ?? "";
      const made = await ask<{ secret: string }>(base, system, "POST", "/tenants/default/admin-key", {});
      await ask(base, made.secret, "POST", "/agents", { name: "bench" });
      const agent = await ask<{ token: string }>(base, made.secret, "POST", "/agents/bench/tokens", {});
      const nodes = new Nodes(all, children, { admin: made.secret, agent: agent.token });
      await Promise.all(all.map((node) => nodes.hasTool(node, wishes.tool)));
      return nodes;
    } catch (thrown) {
      for (const child of children) child.kill("SIGKILL");
      throw thrown;
    }
  }

  get pids(): readonly number[] {
    return this.all.map(({ pid }) => pid);
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- one cast for what our own nodes say
  admin<T>(node: ServeNode, method: string, path: string, body?: unknown): Promise<T> {
    return ask<T>(node.url, this.adminKey, method, path, body);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }),
    );
  }

  /** The token is new to a node for up to a second, and a server is connected to after it listens. */
  private async hasTool(node: ServeNode, tool: string): Promise<void> {
    await until(`${node.name} offers ${tool}`, readyMs, async () => {
      const response = await fetch(`${node.url}/mcp`, {
        method: "POST",
        headers: { ...mcpHeaders(this.agentToken), "Mcp-Method": "tools/list" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: clientMeta } }),
      });
      return (await response.text()).includes(`"${tool}"`);
    });
  }
}

export const clientMeta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

export const mcpHeaders = (token: string) => ({
  Authorization: `Bearer ${token}`,
  "Content-Type": "application/json",
  Accept: "application/json, text/event-stream",
  "MCP-Protocol-Version": "2026-07-28",
});

/** Looks until it is so; says what was not when time is up. */
export async function until(
  what: string,
  withinMs: number,
  isSo: () => Promise<boolean>,
  everyMs = 20,
): Promise<void> {
  for (const endAt = performance.now() + withinMs; ;) {
    if (await isSo()) return;
    if (performance.now() > endAt) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const configOf = ({ directory, database, yaml }: NodesWishes): string => `
data: { directory: data, postgres: { url: ${JSON.stringify(database)} } }
keys: { file: node.key }
policies: { files: [all.cedar] }
limits: { callsInFlightMax: 4000, perPrincipalCallsMax: 2000 }
log: { file: ${JSON.stringify(join(directory, "calls.jsonl"))} }
${yaml}
`;

const textIn = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8").trim() : "");

async function startOne(directory: string, name: string): Promise<{ child: ChildProcess; node: ServeNode }> {
  const port = await freePort();
  const said = join(directory, `${name}.log`);
  const out = openSync(said, "w");
  const child = spawn(
    process.execPath,
    [
      program,
      "serve",
      "--config",
      join(directory, "signalbox.yaml"),
      "--data",
      join(directory, name),
      "--name",
      name,
      "--port",
      String(port),
      "--bootstrap-admin-key-file",
      join(directory, "admin.key"),
    ],
    { stdio: ["ignore", out, out], cwd: directory },
  );
  closeSync(out);
  const url = `http://127.0.0.1:${port}`;
  await until(`${name} is ready`, readyMs, async () => {
    if (child.exitCode !== null)
      throw new Error(`${name} ended: ${readFileSync(said, "utf8").slice(-2_000)}`);
    return fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const kill9 = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return { child, node: { name, url, port, pid: child.pid ?? 0, kill9 } };
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- one cast for what our own nodes say
async function ask<T>(base: string, key: string, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${base}/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === "" ? null : JSON.parse(text)) as T;
}

/** Nobody else's right now: a node is told its port before it starts. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
