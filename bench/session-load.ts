import { RawConnection } from "./raw-http.ts";

/**
 * A load generator for clients that hold sessions: unlike load.ts it reads each answer's session id and understands chunked
 * bodies. In a process of its own, over IPC: one order in, one report out.
 *  calls     each connection calls a tool in the one session, again and again
 *  sessions  each connection opens a session, says that it is initialized, and ends it, again and again
 *  idle      opens so many sessions and leaves them
 *  streams   opens so many sessions, each with a GET stream that stays open until the generator ends
 */
export interface SessionOrder {
  readonly kind: "calls" | "sessions" | "idle" | "streams";
  readonly port: number;
  readonly token: string;
  readonly tool: string;
  readonly connections: number;
  /** For calls and sessions. */
  readonly durationMs: number;
  /** For idle and streams. */
  readonly count: number;
}

export interface SessionReport {
  /** Calls, or sessions. */
  readonly done: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
}

interface Answer {
  readonly status: number;
  readonly session: string | null;
}

process.on("message", (order: SessionOrder) => {
  carryOut(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));

async function carryOut(order: SessionOrder): Promise<SessionReport> {
  const latencies: number[] = [];
  const cpu = process.cpuUsage();
  const connections = Array.from({ length: order.connections }, () => new Connection(order));
  const shared = order.kind === "calls" ? await begin(connections[0] ?? new Connection(order)) : "";
  const startedAt = performance.now();
  let left = order.count;
  let done = 0;
  const isOver = () => performance.now() - startedAt >= order.durationMs;
  await Promise.all(
    connections.map(async (connection, at) => {
      // Ids are never used twice in a session: the official server mixes up answers otherwise.
      for (let n = at * 10_000_000; ; n++) {
        if (order.kind === "idle" || order.kind === "streams" ? left-- <= 0 : isOver()) return;
        const sentAt = performance.now();
        switch (order.kind) {
          case "calls":
            expectStatus(200, await connection.post(shared, callBody(order.tool, n)));
            break;
          case "sessions": {
            const session = await begin(connection);
            const { status } = await connection.ask("DELETE", session, "");
            if (status >= 300) throw new Error(`DELETE answered ${status}`);
            break;
          }
          case "idle":
            await begin(connection);
            break;
          case "streams":
            new Connection(order).listen(await begin(connection));
        }
        latencies.push(performance.now() - sentAt);
        done++;
      }
    }),
  );
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpu);
  for (const connection of connections) connection.end();
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return { done, elapsedMs, p50Ms: at(0.5), p99Ms: at(0.99), cpuMs: (user + system) / 1000 };
}

async function begin(connection: Connection): Promise<string> {
  const opened = await connection.post(null, initializeBody);
  expectStatus(200, opened);
  if (opened.session === null) throw new Error("no session id");
  expectStatus(202, await connection.post(opened.session, initializedBody));
  return opened.session;
}

function expectStatus(expected: number, { status }: Answer): void {
  if (status !== expected) throw new Error(`answered ${status} instead of ${expected}`);
}

const initializeBody = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: {} },
    clientInfo: { name: "bench", version: "1" },
  },
});
const initializedBody = '{"jsonrpc":"2.0","method":"notifications/initialized"}';

const callBody = (tool: string, n: number): string =>
  JSON.stringify({
    jsonrpc: "2.0",
    id: n,
    method: "tools/call",
    params: { name: tool, arguments: { path: `/srv/data/reports/2026/summary-${n}.txt`, limit: 100 } },
  });

/** One connection of a client, whose requests bear its token and, once there is one, its session. */
class Connection {
  private readonly order: SessionOrder;
  private readonly raw: RawConnection;

  constructor(order: SessionOrder) {
    this.order = order;
    this.raw = new RawConnection(order.port);
  }

  post(session: string | null, body: string): Promise<Answer> {
    return this.ask("POST", session, body);
  }

  async ask(method: string, session: string | null, body: string): Promise<Answer> {
    const { status, head } = await this.raw.ask(this.text(method, session, body));
    return { status, session: /\r\nmcp-session-id: (\S+)/i.exec(head)?.[1] ?? null };
  }

  listen(session: string): void {
    this.raw.send(this.text("GET", session, ""));
  }

  end(): void {
    this.raw.end();
  }

  private text(method: string, session: string | null, body: string): string {
    const { port, token } = this.order;
    return (
      `${method} /mcp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
      "Accept: application/json, text/event-stream\r\n" +
      (session === null ? "" : `Mcp-Session-Id: ${session}\r\nMCP-Protocol-Version: 2025-11-25\r\n`) +
      (body === "" ? "" : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`) +
      `\r\n${body}`
    );
  }
}
