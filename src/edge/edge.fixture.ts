import { connect } from "node:net";
import { ok, refuse, systemClock, systemRandom } from "../base/index.ts";
import type { Principal, PrincipalId } from "../identity/index.ts";
import { defaultTenant } from "../identity/index.ts";
import { createLog, createMetrics } from "../telemetry/index.ts";
import { Edge } from "./edge.ts";
import { FakeCalls } from "./fake-calls.fixture.ts";
import type { Authenticate, EdgeOptions, Sealing, SignInDesk } from "./options.ts";

/** What the edge's integration tests share: an edge on a free port with honest little neighbours, and a raw HTTP client. */

export const principalNamed = (name: string): Principal => ({
  id: `agent/${name}` as PrincipalId,
  kind: "agent",
  name,
  roles: [],
  tenant: defaultTenant,
  chain: [],
  version: "1",
});

export interface RunningEdge {
  readonly edge: Edge;
  readonly url: string;
  readonly port: number;
  readonly calls: FakeCalls;
  /** Tokens that are no longer good. */
  readonly revoked: Set<string>;
  metricsText(): Promise<string>;
}

/** Seals nothing, but knows its own. */
const sealing: Sealing = {
  seal: (text) => `sealed.${Buffer.from(text).toString("base64url")}`,
  open: (sealed) =>
    sealed.startsWith("sealed.") ? Buffer.from(sealed.slice(7), "base64url").toString("utf8") : null,
};

/** Answers at one path, with what it was asked. */
export const echoingDesk: SignInDesk = {
  serves: (path) => path === "/oauth/token",
  answer: async ({ method, query, body, base }) => ({
    status: 418,
    contentType: "text/plain",
    text: `${method} ?${query} ${body.toString("utf8")} at ${base}`,
    headers: ["Cache-Control", "no-store"],
  }),
};

/** Every token `token-<name>` is the agent of that name; looked up asynchronously for names that begin with "slow". */
export async function startEdge(
  over: Partial<EdgeOptions> & { readonly authenticate?: Authenticate } = {},
): Promise<RunningEdge> {
  const calls = new FakeCalls();
  const revoked = new Set<string>();
  const metrics = createMetrics();
  const look = (token: string) =>
    token.startsWith("token-") && !revoked.has(token)
      ? ok(principalNamed(token.slice(6)))
      : refuse({ code: "unauthenticated" as const, detail: "" });
  const authenticate: Authenticate =
    over.authenticate ??
    ((token) => (token.startsWith("token-slow") ? Promise.resolve().then(() => look(token)) : look(token)));
  const edge = new Edge({
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: "silent", destination: { kind: "stderr" }, clock: systemClock }),
    metrics,
    calls,
    holderOf: (token) => () => authenticate(token),
    anonymousPrincipal: null,
    host: "127.0.0.1",
    port: 0,
    allowedHosts: [],
    allowedOrigins: [],
    publicUrl: null,
    serverInfo: { name: "signalbox", version: "0.0.0-test" },
    instructions: "Ask before you pay.",
    signIn: null,
    readiness: () => ({ notReady: [] }),
    jwks: () => '{"keys":[]}',
    metricsNeedToken: false,
    api: null,
    home: null,
    paramHeaders: null,
    sessionSealing: sealing,
    ...over,
  });
  const { url } = await edge.start();
  return { edge, url, port: Number(new URL(url).port), calls, revoked, metricsText: () => metrics.text() };
}

export const modernMeta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
};

export const callBody = (name: string, args: unknown = {}, meta: object = {}, id: unknown = 1): string =>
  JSON.stringify({
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name, arguments: args, _meta: { ...modernMeta, ...meta } },
  });

export interface RequestParts {
  readonly method?: string;
  readonly path?: string;
  /** undefined as a value takes the usual header away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer;
}

/** A whole HTTP/1.1 request as bytes. The usual headers are those of a modern `tools/call` of `echo`. */
export function requestBytes(parts: RequestParts = {}): Buffer {
  const body = Buffer.from(parts.body ?? "");
  const headers: Record<string, string | undefined> = {
    Host: "localhost",
    Authorization: "Bearer token-a",
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "echo",
    "Content-Length": String(body.length),
    ...parts.headers,
  };
  let head = `${parts.method ?? "POST"} ${parts.path ?? "/mcp"} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) head += `${name}: ${value}\r\n`;
  return Buffer.concat([Buffer.from(`${head}\r\n`, "latin1"), body]);
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A connection that says exactly the bytes it is given. */
export class RawConnection {
  private readonly socket;
  private received = Buffer.alloc(0);
  private closed = false;
  private wake: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    this.socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.notify();
    });
    const end = () => {
      this.closed = true;
      this.notify();
    };
    this.socket.on("end", end);
    this.socket.on("close", end);
    this.socket.on("error", end);
  }

  write(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** Says that nothing more will come, and goes on listening. */
  halfClose(): void {
    this.socket.end();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }

  get text(): string {
    return this.received.toString("utf8");
  }

  async until(condition: () => boolean, deadlineMs = 60_000): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    while (!condition()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0)
        throw new Error(`nothing like that came in ${deadlineMs} ms; so far: ${this.text.slice(0, 500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async closedByServer(deadlineMs?: number): Promise<void> {
    await this.until(() => this.closed, deadlineMs);
  }

  /** The next whole answer with a Content-Length; takes it out of what was received. */
  async answer(): Promise<RawAnswer> {
    let found: { answer: RawAnswer; end: number } | null = null;
    await this.until(() => {
      found = parseAnswer(this.received);
      return found !== null || this.closed;
    });
    if (found === null) throw new Error(`closed without an answer: ${this.text.slice(0, 500)}`);
    const { answer, end } = found as { answer: RawAnswer; end: number };
    this.received = this.received.subarray(end);
    return answer;
  }

  private notify(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}

function parseAnswer(bytes: Buffer): { answer: RawAnswer; end: number } | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd === -1) return null;
  const [first = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const length = Number(headers.get("content-length") ?? 0);
  const end = headEnd + 4 + length;
  if (bytes.length < end) return null;
  return {
    answer: { status: Number(first.split(" ")[1]), headers, body: bytes.toString("utf8", headEnd + 4, end) },
    end,
  };
}

/** One request on a connection of its own. */
export async function ask(port: number, parts: RequestParts = {}): Promise<RawAnswer & { json: Json }> {
  const connection = new RawConnection(port);
  try {
    connection.write(requestBytes(parts));
    const answer = await connection.answer();
    return { ...answer, json: (answer.body.startsWith("{") ? JSON.parse(answer.body) : {}) as Json };
  } finally {
    connection.destroy();
  }
}

export interface Json {
  readonly id?: unknown;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}
