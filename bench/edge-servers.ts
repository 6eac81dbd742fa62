import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ok, refuse, systemClock, systemRandom } from "../src/base/index.ts";
import type { CallAnswer, CallInput, Calls } from "../src/calls/index.ts";
import { Edge } from "../src/edge/index.ts";
import type { Principal, PrincipalId } from "../src/identity/index.ts";
import { defaultTenant } from "../src/identity/index.ts";
import { createLog, createMetrics } from "../src/telemetry/index.ts";

/** What bench/edge.ts measures, each in a process of its own: `node bench/edge-servers.ts bare|edge`, talked to over IPC. */

const resultText = JSON.stringify({
  content: [{ type: "text", text: "x".repeat(280) }],
  _meta: {
    "dev.signalbox/receipt": {
      entry: "call_01jabcdefghjkmnpqrstvwxyz:1",
      leaf: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    },
  },
});
const receipt = {
  entry: "call_01jabcdefghjkmnpqrstvwxyz:1",
  leaf: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
};

/** Answers at once, after asking who is calling: the edge is measured, not what stands behind it. */
class InstantCalls implements Calls {
  async call(input: CallInput): Promise<CallAnswer> {
    const who = input.authenticate();
    const principal = who instanceof Promise ? await who : who;
    if (!principal.ok) return { kind: "refused", refusal: principal.refusal, receipt: null };
    return { kind: "result", text: resultText, receipt };
  }

  listTools(): string {
    return '{"tools":[]}';
  }
}

async function startEdge(): Promise<number> {
  const principal: Principal = {
    id: "agent/bench" as PrincipalId,
    kind: "agent",
    name: "bench",
    roles: [],
    tenant: defaultTenant,
    chain: [],
    version: "1",
  };
  const edge = new Edge({
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: "warn", destination: { kind: "stderr" }, clock: systemClock }),
    metrics: createMetrics(),
    calls: new InstantCalls(),
    authenticate: (token) =>
      token === "bench" ? ok(principal) : refuse({ code: "unauthenticated", detail: "" }),
    anonymousPrincipal: null,
    host: "127.0.0.1",
    port: 0,
    allowedHosts: [],
    allowedOrigins: [],
    publicUrl: null,
    serverInfo: { name: "bench", version: "0" },
    instructions: null,
    authorizationServers: [],
    readiness: () => ({ notReady: [] }),
    jwks: () => "{}",
    metricsNeedToken: false,
    api: null,
    home: null,
    paramHeaders: null,
  });
  const { url } = await edge.start();
  return Number(new URL(url).port);
}

/** The baseline: read the body, parse it, answer as many bytes. Nothing is checked. */
function startBare(): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { id: number };
      const text = `{"jsonrpc":"2.0","id":${body.id},"result":{"resultType":"complete",${resultText.slice(1)}}`;
      response.writeHead(200, [
        "Content-Type",
        "application/json",
        "Content-Length",
        String(Buffer.byteLength(text)),
      ]);
      response.end(text);
    });
  });
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
}

const port = process.argv[2] === "edge" ? await startEdge() : await startBare();
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage().rss });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port });
