import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { NodeStreamableHTTPServerTransport } from "@modelcontextprotocol/node";
import { Server } from "@modelcontextprotocol/server";
import { ok, refuse, systemClock, systemRandom } from "../src/base/index.ts";
import type { CallAnswer, CallInput, Calls, Described, Listing, Subscribed } from "../src/calls/index.ts";
import { Edge } from "../src/edge/index.ts";
import type { Principal, PrincipalId } from "../src/identity/index.ts";
import { defaultTenant } from "../src/identity/index.ts";
import { createLog, createMetrics } from "../src/telemetry/index.ts";

/**
 * What bench/legacy.ts measures beside a whole node, each in a process of its own, talked to over IPC:
 * `node bench/legacy-servers.ts proxy <port of the upstream> | edge`.
 */

/**
 * The way a proxy is written with the official SDK: a server and a transport for each session, one client for all of them. Answers
 * are JSON, which costs it less than streams.
 */
async function startProxy(upstreamPort: number): Promise<number> {
  const client = new Client(
    { name: "proxy", version: "1" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${upstreamPort}/mcp`)));
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const open = async (): Promise<NodeStreamableHTTPServerTransport> => {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      enableJsonResponse: true,
      onsessioninitialized: (id) => {
        sessions.set(id, transport);
      },
      onsessionclosed: (id) => {
        sessions.delete(id);
      },
    });
    const server = new Server({ name: "proxy", version: "1" }, { capabilities: { tools: {} } });
    server.setRequestHandler("tools/list", () => client.listTools());
    server.setRequestHandler("tools/call", (request) => client.callTool(request.params));
    await server.connect(transport);
    return transport;
  };
  return listen(async (request, response) => {
    const named = request.headers["mcp-session-id"];
    const transport = typeof named === "string" ? sessions.get(named) : await open();
    if (transport === undefined) response.writeHead(404).end();
    else await transport.handleRequest(request, response);
  });
}

/** Answers at once: the edge is measured, not what stands behind it. */
class InstantCalls implements Calls {
  async call(input: CallInput): Promise<CallAnswer> {
    const who = await input.authenticate();
    if (!who.ok) return { kind: "refused", refusal: who.refusal, receipt: null };
    const receipt = {
      entry: "call_01jabcdefghjkmnpqrstvwxyz:1",
      leaf: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    };
    return { kind: "result", text: `{"content":[{"type":"text","text":"${"x".repeat(400)}"}]}`, receipt };
  }

  list(): Listing {
    return { items: [], text: '{"tools":[]}', revision: "1", ttlMs: 1_000 };
  }

  describe(): Described {
    return { capabilities: { tools: { listChanged: true } }, instructions: null };
  }

  task(input: CallInput | object): Promise<CallAnswer> {
    throw new Error(`nobody asks for tasks here: ${Object.keys(input).join()}`);
  }

  async subscribe(): Promise<Subscribed> {
    return { kind: "subscribed", cancel: () => undefined };
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
    sessionSealing: {
      seal: (text) => Buffer.from(text).toString("base64url"),
      open: (sealed) => Buffer.from(sealed, "base64url").toString("utf8"),
    },
    bounds: { sessionsPerPrincipalMax: 20_000, sessionsMax: 20_000 },
  });
  return Number(new URL((await edge.start()).url).port);
}

function listen(
  serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<number> {
  const server = createServer((request, response) => void serve(request, response));
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen({ host: "127.0.0.1", port: 0 }, () => resolve((server.address() as AddressInfo).port));
  });
}

const [kind, upstream = ""] = process.argv.slice(2);
const port = kind === "proxy" ? await startProxy(Number(upstream)) : await startEdge();
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage().rss });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port, token: "bench" });
