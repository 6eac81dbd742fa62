import { writeFileSync, readFileSync } from "node:fs";
import { RawPool } from "../raw-http.ts";
import { serve, startMeter } from "./child.ts";
import { loadNode } from "./load-node.ts";

/**
 * What agents.ts measures: `node bench/runs/agents-programs.ts node <directory> <port of the bank> <tokens> <agents>`, and who drives it,
 * `node bench/runs/agents-programs.ts load <url> <tokens>`. `tokens` is a file: there are megabytes of them.
 */
export interface LoadWishes {
  readonly seconds: number;
  /** Of these, at the beginning: a node has to compile what it does before it can do it fast. Only latencies leave them out. */
  readonly warmUpSeconds: number;
  readonly everyMs: number;
}

export interface LoadReport {
  readonly sent: number;
  readonly answered: number;
  /** Neither an answer nor a refusal. */
  readonly lost: number;
  /** Answers with a status other than 200, or that say no, by what they say. */
  readonly refused: Readonly<Record<string, number>>;
  /** From the moment a call was due, without the warm-up. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Of the agents' mean latencies: how much worse the worst served are than the middle. */
  readonly meanByAgentMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Jain's index over answers per agent: 1 = each had as many. */
  readonly fairness: number;
  readonly answersByAgent: { readonly min: number; readonly max: number };
}

/** Connections of the fleet: agents come and go, proxies in between keep a few. */
const connections = 256;

async function load(
  url: string,
  tokens: readonly string[],
  { seconds, warmUpSeconds, everyMs }: LoadWishes,
): Promise<LoadReport> {
  const { port } = new URL(url);
  const pool = new RawPool(Number(port), connections);
  const latencies: number[] = [];
  const answers = new Uint32Array(tokens.length);
  const waitedMs = new Float64Array(tokens.length);
  const refused: Record<string, number> = {};
  const measured = new Uint32Array(tokens.length);
  let sent = 0;
  let answered = 0;
  let lost = 0;
  const startedAt = performance.now();
  const warmAt = startedAt + warmUpSeconds * 1000;
  const endAt = startedAt + seconds * 1000;

  const call = async (who: number, token: string, dueAt: number): Promise<void> => {
    sent++;
    try {
      const { status, body } = await pool.ask(callOf(port, token, who));
      const ms = performance.now() - dueAt;
      answered++;
      if (dueAt >= warmAt) {
        latencies.push(ms);
        waitedMs[who] = (waitedMs[who] ?? 0) + ms;
        measured[who] = (measured[who] ?? 0) + 1;
      }
      const no = whyNot(status, body);
      if (no === null) answers[who] = (answers[who] ?? 0) + 1;
      else refused[no] = (refused[no] ?? 0) + 1;
    } catch {
      lost++;
    }
  };

  /** Each at moments of its own, `everyMs` apart on average; one that is answered late makes its next call late. */
  const agent = async (who: number, token: string): Promise<void> => {
    let dueAt = performance.now() + Math.random() * everyMs;
    while (dueAt < endAt) {
      await until(dueAt);
      await call(who, token, dueAt);
      dueAt = Math.max(dueAt + everyMs * (0.5 + Math.random()), performance.now());
    }
  };
  await Promise.all(tokens.map((token, who) => agent(who, token)));
  pool.end();

  const means = [...waitedMs].map((ms, who) => ms / Math.max(1, measured[who] ?? 0));
  return {
    sent,
    answered,
    lost,
    refused,
    latencyMs: spread(latencies),
    meanByAgentMs: spread(means),
    fairness: jain(answers),
    answersByAgent: { min: Math.min(...answers), max: Math.max(...answers) },
  };
}

const until = (dueAt: number) =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())));

function callOf(port: string, token: string, who: number): string {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: who,
    method: "tools/call",
    params: {
      name: "bank__pay",
      arguments: { to: `account-${who}`, amount: who },
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  });
  return (
    `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
    "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: bank__pay\r\n" +
    `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

/** null = it was carried out. */
function whyNot(status: number, text: string): string | null {
  if (status === 200 && text.includes('"paid"')) return null;
  return `${status} ${/"code":"([a-z-]+)"/.exec(text)?.[1] ?? text.slice(0, 80)}`;
}

function spread(values: readonly number[]): LoadReport["latencyMs"] {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function jain(values: Uint32Array): number {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return squares === 0 ? 0 : (sum * sum) / (values.length * squares);
}

const [kind, where = "", port = "", file = "", count = ""] = process.argv.slice(2);
if (kind === "node") {
  const { startNode, tokensFor } = await loadNode();
  const running = await startNode({
    directory: where,
    port: 0,
    upstreamPort: Number(port),
    toolClass: "read",
    policies: null,
  });
  const names = Array.from({ length: Number(count) }, (_, i) => `agent-${i}`);
  writeFileSync(file, JSON.stringify(await tokensFor(running, names)));
  let used = startMeter();
  serve(running.url, async () => {
    const report = used();
    used = startMeter();
    return report;
  });
} else {
  const tokens = JSON.parse(readFileSync(port, "utf8")) as string[];
  process.on("disconnect", () => process.exit(0));
  serve("ready", (asked: LoadWishes) => load(where, tokens, asked));
}
