import type { Server as HttpServer } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { Server, createMcpHandler } from "@modelcontextprotocol/server";
import { ok, refuse, systemClock, systemRandom } from "../src/base/index.ts";
import type { CallAnswer, CallInput, Calls, Described, Listing, Subscribed } from "../src/calls/index.ts";
import { Edge } from "../src/edge/index.ts";
import type { Principal, PrincipalId } from "../src/identity/index.ts";
import { defaultTenant } from "../src/identity/index.ts";
import { createLog, createMetrics } from "../src/telemetry/index.ts";

/**
 * What bench/edge.ts and bench/listen.ts measure, each in a process of its own, talked to over IPC:
 * `node bench/edge-servers.ts bare|edge|sdk`.
 */

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

  list(): Listing {
    return { items: [], text: '{"tools":[]}', revision: "1", ttlMs: 10_000 };
  }

  describe(): Described {
    return { capabilities: { tools: {} }, instructions: null };
  }

  async task(): Promise<CallAnswer> {
    return { kind: "refused", refusal: { code: "unknown-task", detail: "" }, receipt: null };
  }

  async subscribe(): Promise<Subscribed> {
    return { kind: "refused", refusal: { code: "unknown-resource", detail: "" } };
  }
}

async function startEdge(): Promise<Running> {
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
    holderOf: (token) => () =>
      token === "bench" ? ok(principal) : refuse({ code: "unauthenticated", detail: "" }),
    anonymousPrincipal: null,
    host: "127.0.0.1",
    port: 0,
    allowedHosts: [],
    allowedOrigins: [],
    publicUrl: null,
    serverInfo: { name: "bench", version: "0" },
    instructions: null,
    signIn: null,
    readiness: () => ({ notReady: [] }),
    jwks: () => "{}",
    metricsNeedToken: false,
    api: null,
    home: null,
    paramHeaders: null,
    sessionSealing: { seal: (text) => text, open: (sealed) => sealed },
    // One caller stands for ten thousand.
    bounds: { listensPerPrincipalMax: 20_000, listensMax: 20_000 },
  });
  const { url } = await edge.start();
  return { port: Number(new URL(url).port), change: () => edge.listChanged(defaultTenant, ["tools"]) };
}

/** The official SDK's own server with one list that changes; what it listens with is all that is measured of it. */
async function startSdk(): Promise<Running> {
  const handler = createMcpHandler(
    () => new Server({ name: "bench", version: "0" }, { capabilities: { tools: { listChanged: true } } }),
    { maxSubscriptions: 20_000 },
  );
  const answer = toNodeHandler(handler);
  type Asked = Parameters<typeof answer>[0]; // node's request, but for members that node declares more loosely
  const server = createServer((request, response) => void answer(request as Asked, response));
  const port = await portOf(server);
  return { port, change: () => handler.notify.toolsChanged() };
}

interface Running {
  readonly port: number;
  /** Something changes that everybody who listens wants to know. */
  readonly change: () => void;
}

/** The baseline: read the body, parse it, answer as many bytes. Nothing is checked. */
async function startBare(): Promise<Running> {
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
  return { port: await portOf(server), change: () => undefined };
}

function portOf(server: HttpServer): Promise<number> {
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
}

const kinds: Readonly<Record<string, () => Promise<Running>>> = {
  bare: startBare,
  edge: startEdge,
  sdk: startSdk,
};
const start = kinds[process.argv[2] ?? ""];
if (start === undefined) throw new Error(`one of ${Object.keys(kinds).join(", ")}`);
const { port, change } = await start();
process.on("message", (what) => {
  if (what === "change") change();
  if (what === "collect") globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  process.send?.({ cpuUs: user + system, rssBytes: rss, heapBytes: heapUsed });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port });
