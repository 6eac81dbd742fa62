import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { built } from "./built.ts";
import { spawnLoad } from "./load.ts";

/**
 * CPU per call of the edge alone, against a bare node:http server that parses JSON and answers as many bytes, in interleaved
 * rounds of one run: `node bench/edge.ts [connections] [rounds] [seconds]`. Server and generator are processes of their own.
 */
const connections = Number(process.argv[2] ?? 64);
const rounds = Number(process.argv[3] ?? 3);
const durationMs = Number(process.argv[4] ?? 2) * 1000;
const kinds = ["bare", "edge"] as const;

interface Sample {
  readonly perSecond: number;
  readonly cpuUsPerCall: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMiB: number;
}

const servers = new Map<string, { child: ChildProcess; port: number }>();
for (const kind of kinds) {
  const child = fork(built("edge-servers.ts"), [kind]);
  const { port } = await once<{ port: number }>(child);
  servers.set(kind, { child, port });
}

const samples = new Map<string, Sample[]>(kinds.map((kind) => [kind, []]));
for (let round = 0; round < rounds; round++) {
  for (const kind of kinds) samples.get(kind)?.push(await measure(kind));
}
for (const { child } of servers.values()) child.disconnect();

console.log(
  `edge alone, ${connections} connections, ${rounds} rounds of ${durationMs} ms, node ${process.version}`,
);
for (const kind of kinds) {
  const of = (pick: (sample: Sample) => number) => median((samples.get(kind) ?? []).map(pick));
  console.log(
    `${kind.padEnd(5)} ${of((s) => s.perSecond)
      .toFixed(0)
      .padStart(7)}/s  CPU ${of((s) => s.cpuUsPerCall).toFixed(1)} us/call  ` +
      `p50 ${of((s) => s.p50Ms).toFixed(2)} ms  p99 ${of((s) => s.p99Ms).toFixed(2)} ms  RSS ${of((s) => s.rssMiB).toFixed(0)} MiB`,
  );
}

async function measure(kind: string): Promise<Sample> {
  const server = servers.get(kind);
  if (server === undefined) throw new Error(`no server for ${kind}`);
  const warmupMs = 500;
  const load = spawnLoad({
    host: "127.0.0.1",
    port: server.port,
    connections,
    requests: [request()],
    warmupMs,
    durationMs,
    countMax: 2_000_000,
  });
  // The server's CPU is read over the whole run and set against all answers of it, so the few at the rims do not matter.
  const report = await load;
  const before = await ask(server.child);
  const again = await spawnLoad({
    host: "127.0.0.1",
    port: server.port,
    connections,
    requests: [request()],
    warmupMs: 0,
    durationMs,
    countMax: 2_000_000,
  });
  const after = await ask(server.child);
  if (again.ok !== again.answers || report.ok !== report.answers) {
    throw new Error(
      `not every answer was 200: ${JSON.stringify(again.otherStatuses)} ${again.otherBodies.join(" ")}`,
    );
  }
  return {
    perSecond: again.perSecond,
    cpuUsPerCall: (after.cpuUs - before.cpuUs) / again.answers,
    p50Ms: again.latencyMs.p50,
    p99Ms: again.latencyMs.p99,
    rssMiB: after.rssBytes / 1024 / 1024,
  };
}

function request(): Buffer {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: {
      name: "files__read_file",
      arguments: { path: "/srv/data/reports/2026/summary.txt", limit: 100, encoding: "utf-8" },
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
    },
  });
  return Buffer.from(
    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer bench\r\nContent-Type: application/json\r\n" +
      "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n" +
      `Mcp-Name: files__read_file\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

async function ask(child: ChildProcess): Promise<{ cpuUs: number; rssBytes: number }> {
  const answer = once<{ cpuUs: number; rssBytes: number }>(child);
  child.send("cpu");
  return answer;
}

function once<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a server ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      resolve(message as T);
    });
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
