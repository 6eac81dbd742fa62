import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { Pool } from "undici";
import { httpRecord, stdioRecord, UpstreamHarness } from "../test/fixtures/upstream-harness.ts";
import type { ServerRecord } from "../src/registry/index.ts";
import { noCapabilities } from "../src/registry/index.ts";
import { deadlineIn, systemClock } from "../src/base/index.ts";

/**
 * What one exchange with an upstream costs this process, in CPU microseconds (user and system), at 64 in flight: modern HTTP and
 * stdio, beside bare undici `Pool.dispatch` with the same bytes in the same run. `node bench/upstream.ts [seconds per row]`
 */
const inFlight = 64;
const rounds = 6;
const signal = new AbortController().signal;
let nextId = 0;
const argumentsText = JSON.stringify({ message: "x".repeat(120), n: 17 });

function answer(id: unknown): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"type":"text","text":"${"y".repeat(330)}"}],"resultType":"complete"}}`;
}

function onMessage(text: string): string | null {
  const message = JSON.parse(text) as { id?: unknown; method: string };
  if (message.id === undefined) return null;
  const result = (value: unknown): string =>
    JSON.stringify({ jsonrpc: "2.0", id: message.id, result: value });
  if (message.method === "server/discover") return result({ supportedVersions: ["2026-07-28"] });
  if (message.method === "tools/list")
    return result({ tools: [{ name: "echo", inputSchema: { type: "object" } }] });
  return answer(message.id);
}

function runHttpServer(): void {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = onMessage(Buffer.concat(chunks).toString("utf8")) ?? "";
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    });
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
}

function runStdioServer(): void {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const text = onMessage(line);
      if (text !== null) process.stdout.write(`${text}\n`);
    })
    .on("close", () => process.exit(0));
}

interface Row {
  readonly name: string;
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

async function measureAll(ms: number): Promise<void> {
  const file = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [file, "http-server"], { stdio: ["ignore", "pipe", "inherit"] });
  const harness = new UpstreamHarness();
  try {
    const port = await new Promise<number>((resolve) =>
      child.stdout.once("data", (chunk: Buffer) => resolve(Number(chunk.toString()))),
    );
    const http = httpRecord(`http://127.0.0.1:${port}/mcp`, { concurrencyMax: 256 });
    const stdio: ServerRecord = {
      ...stdioRecord({}, { concurrencyMax: 256 }),
      transport: {
        kind: "stdio",
        command: process.execPath,
        args: [file, "stdio-server"],
        env: {},
        cwd: null,
      },
    };
    await harness.connect(http, stdio);
    const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 128 });
    const kinds = {
      "undici dispatch": () => bareDispatch(pool),
      "modern HTTP": () => exchange(harness, http),
      stdio: () => exchange(harness, stdio),
    };
    const best = new Map<string, Row>();
    // Rounds take turns, and the cheapest of each counts: a neighbour's load only ever adds.
    for (let round = 0; round < rounds; round++) {
      for (const [kind, once] of Object.entries(kinds)) {
        for (const width of [1, inFlight]) {
          const row = await measure(`${kind}, ${width} in flight`, width, ms / rounds, once);
          const before = best.get(row.name);
          if (before === undefined || row.cpuMicros < before.cpuMicros) best.set(row.name, row);
        }
      }
    }
    console.table([...best.values()]);
    await pool.destroy();
  } finally {
    await harness.stop();
    child.kill();
  }
}

const exchange = (harness: UpstreamHarness, server: ServerRecord): Promise<unknown> =>
  harness.upstreams.exchange({
    server,
    method: "tools/call",
    name: "echo",
    argumentsText,
    meta: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" },
    caller: "ada",
    deadline: deadlineIn(systemClock, 30_000),
    signal,
    advice: signal,
    profile: noCapabilities,
    logLevel: null,
    round: null,
    onAsk: null,
    onLog: null,
    onProgress: null,
    mayDispatch: () => true,
  });

/** The floor: the same bytes, the same headers, the body gathered and parsed. */
function bareDispatch(pool: Pool): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const body = `{"jsonrpc":"2.0","id":${++nextId},"method":"tools/call","params":{"name":"echo","arguments":${argumentsText},"_meta":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"signalbox","version":"0"}}}}`;
    pool.dispatch(
      {
        path: "/mcp",
        method: "POST",
        headers: [
          "content-type",
          "application/json",
          "accept",
          "application/json, text/event-stream",
          "user-agent",
          "signalbox/0",
          "mcp-protocol-version",
          "2026-07-28",
          "mcp-method",
          "tools/call",
          "mcp-name",
          "echo",
        ],
        body,
      },
      {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData: (_controller, chunk) => void chunks.push(chunk),
        onResponseEnd: () => resolve(JSON.parse(Buffer.concat(chunks).toString("utf8"))),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

async function measure(name: string, width: number, ms: number, once: () => Promise<unknown>): Promise<Row> {
  for (let i = 0; i < 2_000; i += width) await Promise.all(Array.from({ length: width }, once));
  const waits: number[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const worker = async (): Promise<void> => {
    while (performance.now() - startedAt < ms) {
      const at = performance.now();
      await once();
      waits.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - startedAt) / 1000;
  waits.sort((a, b) => a - b);
  const at = (share: number): number => Math.round((waits[Math.floor(waits.length * share)] ?? 0) * 1000);
  return {
    name,
    perSecond: Math.round(waits.length / seconds),
    cpuMicros: Math.round(((cpu.user + cpu.system) / waits.length) * 10) / 10,
    p50Micros: at(0.5),
    p99Micros: at(0.99),
  };
}

if (process.argv[2] === "http-server") runHttpServer();
else if (process.argv[2] === "stdio-server") runStdioServer();
else await measureAll(Number(process.argv[2] ?? 3) * 1000);
