import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

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

let storeStats = () => ({ flushes: 0, transactions: 0 });

const startedAt = performance.now();
const [kind, first = "", second = "", third = ""] = process.argv.slice(2);
const ready =
  kind === "echo"
    ? { port: await startEcho() }
    : kind === "copy"
      ? { port: await startCopy(Number(first)) }
      : await gateway();

async function gateway(): Promise<{ port: number; token: string }> {
  // Only here: a ruler with the whole node in its heap would be slower by a tenth.
  const { beginStarting } = await import("../src/app/command-line.ts");
  beginStarting();
  const { startGateway } = await import("./calls-gateway.ts");
  const { stats, ...started } = await startGateway(first, Number(second), third, tools.length);
  storeStats = stats;
  return started;
}

process.on("message", () => {
  const { user, system } = process.cpuUsage();
  const { flushes, transactions } = storeStats();
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage().rss, flushes, transactions });
});
if (kind !== "gateway") process.on("disconnect", () => process.exit(0));
process.send?.({ ...ready, readyMs: performance.now() - startedAt });
