import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Pool } from "undici";
import { systemClock, systemRandom } from "../src/base/index.ts";
import { readConfig } from "../src/app/config.ts";
import { readEnvironment } from "../src/app/environment.ts";
import { Node } from "../src/app/node.ts";
import { defaultTenant } from "../src/identity/index.ts";
import { createLog, createMetrics } from "../src/telemetry/index.ts";

/**
 * What bench/calls.ts measures, each in a process of its own, talked to over IPC:
 * `node bench/calls-servers.ts echo | copy <port> | gateway <directory> <port> <policies>`.
 */
const resultText = `{"resultType":"complete","content":[{"type":"text","text":"${"x".repeat(400)}"}]}`;

const inputSchema = {
  type: "object",
  properties: { path: { type: "string" }, limit: { type: "integer" }, encoding: { type: "string" } },
  required: ["path"],
};
const tools = ["read_file", "write_file"].map((name) => ({ name, description: "bench", inputSchema }));

/** A modern MCP server that answers every call with the same 493 bytes. */
function startEcho(): Promise<number> {
  return listen(
    createServer((request, response) => {
      void readBody(request).then((body) => {
        const { id, method } = JSON.parse(body) as { id: number; method: string };
        const answer = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${resultFor(method)}}`;
        response.writeHead(200, {
          "Content-Type": "application/json",
          "Content-Length": Buffer.byteLength(answer),
        });
        response.end(answer);
      });
    }),
  );
}

function resultFor(method: string): string {
  const fresh = { resultType: "complete", ttlMs: 0, cacheScope: "public" };
  switch (method) {
    case "server/discover":
      return JSON.stringify({ ...fresh, supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
    case "tools/list":
      return JSON.stringify({ ...fresh, tools });
    default:
      return resultText;
  }
}

/** The baseline: bytes in, bytes out, over the same HTTP server and client library as the gateway. */
function startCopy(upstreamPort: number): Promise<number> {
  const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 128, pipelining: 1 });
  return listen(
    createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const out: Buffer[] = [];
        let status = 502;
        pool.dispatch(
          {
            path: "/mcp",
            method: "POST",
            headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
            body: Buffer.concat(chunks),
          },
          {
            onRequestStart() {},
            onResponseStart(_controller, statusCode) {
              status = statusCode;
            },
            onResponseData(_controller, chunk) {
              out.push(chunk);
            },
            onResponseEnd() {
              const answer = Buffer.concat(out);
              response.writeHead(status, {
                "Content-Type": "application/json",
                "Content-Length": answer.length,
              });
              response.end(answer);
            },
            onResponseError(_controller, error) {
              response.writeHead(502, { "Content-Length": 0 });
              response.end();
              console.error(error.message);
            },
          },
        );
      });
    }),
  );
}

async function startGateway(
  directory: string,
  upstreamPort: number,
  policies: string,
): Promise<{ port: number; token: string }> {
  const text = `
listen: { port: 0 }
data: { directory: ${JSON.stringify(join(directory, "data"))} }
servers:
  files:
    url: http://127.0.0.1:${upstreamPort}/mcp
    era: modern
    concurrencyMax: 1000
    tools: { read_file: { class: read } }
policies: { files: [${JSON.stringify(policies)}] }
limits: { callsInFlightMax: 2000, perPrincipalCallsMax: 1000 }
log: { file: ${JSON.stringify(join(directory, "calls.jsonl"))} }
`;
  const config = readConfig({ text, file: join(directory, "signalbox.yaml"), env: {} });
  if (!config.ok) throw new Error(JSON.stringify(config.refusal));
  const { log: logging } = config.value;
  const log = createLog({
    level: logging.level,
    destination: logging.file === null ? { kind: "stderr" } : { kind: "file", path: logging.file },
    clock: systemClock,
  });
  const node = new Node({
    mode: "dev",
    config: config.value,
    environment: readEnvironment(),
    clock: systemClock,
    random: systemRandom,
    log,
    metrics: createMetrics(),
    onFatal: (reason) => {
      throw new Error(reason);
    },
  });
  const running = await node.start();
  storeStats = () => running.store.stats();
  process.on("disconnect", () => void node.stop().then(() => process.exit(0)));
  const admin = running.identities.find(boss(running), "person", "admin");
  if (!admin.ok) throw new Error(admin.refusal.detail);
  const actor = running.identities.recorded(defaultTenant, admin.value.id);
  if (!actor.ok) throw new Error(actor.refusal.detail);
  const agent = running.identities.createAgent(actor.value, { name: "bench", roles: [] });
  if (!agent.ok) throw new Error(agent.refusal.detail);
  await running.store.commit(agent.value.writes);
  agent.value.applied();
  const token = running.identities.issueToken(actor.value, agent.value.value.id);
  if (!token.ok) throw new Error(token.refusal.detail);
  while (running.registry.callableToolsOf(defaultTenant).length < tools.length) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { port: Number(new URL(running.url).port), token: token.value.token };
}

function boss(running: Awaited<ReturnType<Node["start"]>>) {
  const node = running.identities.node(defaultTenant);
  if (!node.ok) throw new Error(node.refusal.detail);
  return node.value;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function listen(server: Server): Promise<number> {
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
}

/** How many flushes carried how many transactions: what the group commit makes of the load. */
let storeStats = (): { readonly flushes: number; readonly transactions: number } => ({
  flushes: 0,
  transactions: 0,
});

const startedAt = performance.now();
const [kind, first = "", second = "", third = ""] = process.argv.slice(2);
const ready =
  kind === "echo"
    ? { port: await startEcho() }
    : kind === "copy"
      ? { port: await startCopy(Number(first)) }
      : await startGateway(first, Number(second), third);
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  const { flushes, transactions } = storeStats();
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage().rss, flushes, transactions });
});
if (kind !== "gateway") process.on("disconnect", () => process.exit(0));
process.send?.({ ...ready, readyMs: performance.now() - startedAt });
