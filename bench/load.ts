import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";

/**
 * A load generator for HTTP/1.1 over keep-alive connections: prebuilt bytes out, answers told apart by Content-Length, one
 * request in flight per connection. `runLoad` works in this process, `spawnLoad` in one of its own, which is what a measurement
 * wants: the generator then shares neither event loop nor heap with what it measures.
 */
export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Whole requests, headers included; taken in turn over all connections. */
  readonly requests: readonly Buffer[];
  /** Not counted. */
  readonly warmupMs: number;
  readonly durationMs: number;
  /** Ends earlier when this many answers were counted. */
  readonly countMax: number;
}

export interface LoadReport {
  readonly answers: number;
  readonly ok: number;
  /** Answers by status, other than 200. */
  readonly otherStatuses: Readonly<Record<string, number>>;
  /** The first few, to see what went wrong. */
  readonly otherBodies: readonly string[];
  readonly connectionErrors: number;
  readonly elapsedMs: number;
  readonly perSecond: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** CPU of the generator itself: near 100 % of a core means that it was the limit. */
  readonly generatorCpuMs: number;
}

export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const run = new Run(options);
  return run.finish();
}

export function spawnLoad(options: LoadOptions): Promise<LoadReport> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--child"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const requests = options.requests.map((bytes) => bytes.toString("base64"));
  child.stdin.end(JSON.stringify({ ...options, requests }));
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(out) as LoadReport);
      else reject(new Error(`the load generator ended with ${code}`));
    });
  });
}

const latenciesMax = 4_000_000;
const otherBodiesMax = 3;

class Run {
  readonly options: LoadOptions;
  private readonly latencies: Float64Array;
  private readonly connections: Connection[];
  private readonly done: Promise<void>;
  private resolveDone: () => void = () => undefined;
  private phase: "warmup" | "counting" | "over" = "warmup";
  private answers = 0;
  private ok = 0;
  private readonly otherStatuses: Record<string, number> = {};
  private readonly otherBodies: string[] = [];
  private connectionErrors = 0;
  private next = 0;
  private startedAt = 0;
  private endedAt = 0;
  private cpuAtStart = process.cpuUsage();
  private cpu = { user: 0, system: 0 };

  constructor(options: LoadOptions) {
    this.options = options;
    this.latencies = new Float64Array(Math.min(options.countMax, latenciesMax));
    this.done = new Promise((resolve) => {
      this.resolveDone = resolve;
    });
    this.connections = Array.from({ length: options.connections }, () => new Connection(this));
    setTimeout(() => this.startCounting(), options.warmupMs);
    setTimeout(() => this.end(), options.warmupMs + options.durationMs);
  }

  nextRequest(): Buffer | null {
    if (this.phase === "over") return null;
    const { requests } = this.options;
    const request = requests[this.next];
    this.next = this.next + 1 === requests.length ? 0 : this.next + 1;
    return request ?? null;
  }

  /** `body` is only looked at when the status is not 200. */
  answered(status: number, latencyMs: number, body: () => string): void {
    if (this.phase !== "counting") return;
    if (this.answers < this.latencies.length) this.latencies[this.answers] = latencyMs;
    this.answers++;
    if (status === 200) this.ok++;
    else {
      this.otherStatuses[status] = (this.otherStatuses[status] ?? 0) + 1;
      if (this.otherBodies.length < otherBodiesMax) this.otherBodies.push(body().slice(0, 300));
    }
    if (this.answers >= this.options.countMax) this.end();
  }

  lost(): void {
    if (this.phase !== "over") this.connectionErrors++;
    if (this.connections.every((connection) => connection.isOver)) this.end();
  }

  async finish(): Promise<LoadReport> {
    await this.done;
    for (const connection of this.connections) connection.destroy();
    const elapsedMs = this.endedAt - this.startedAt;
    const sorted = this.latencies.subarray(0, Math.min(this.answers, this.latencies.length)).sort();
    const at = (share: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return {
      answers: this.answers,
      ok: this.ok,
      otherStatuses: this.otherStatuses,
      otherBodies: this.otherBodies,
      connectionErrors: this.connectionErrors,
      elapsedMs,
      perSecond: (this.answers / elapsedMs) * 1000,
      latencyMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) },
      generatorCpuMs: (this.cpu.user + this.cpu.system) / 1000,
    };
  }

  private startCounting(): void {
    if (this.phase !== "warmup") return;
    this.phase = "counting";
    this.startedAt = performance.now();
    this.cpuAtStart = process.cpuUsage();
  }

  private end(): void {
    if (this.phase === "over") return;
    this.phase = "over";
    this.endedAt = performance.now();
    this.cpu = process.cpuUsage(this.cpuAtStart);
    this.resolveDone();
  }
}

/** One keep-alive connection that sends the next request as soon as the last is answered. */
class Connection {
  isOver = false;
  private readonly run: Run;
  private readonly socket: Socket;
  private rest: Buffer | null = null;
  private sentAt = 0;

  constructor(run: Run) {
    this.run = run;
    this.socket = connect({ host: run.options.host, port: run.options.port, noDelay: true });
    this.socket.on("connect", () => this.send());
    this.socket.on("data", (chunk) => this.receive(chunk));
    this.socket.on("error", () => undefined); // "close" follows and counts
    this.socket.on("close", () => {
      this.isOver = true;
      this.run.lost();
    });
  }

  destroy(): void {
    this.socket.destroy();
  }

  private send(): void {
    const request = this.run.nextRequest();
    if (request === null) return;
    this.sentAt = performance.now();
    this.socket.write(request);
  }

  private receive(chunk: Buffer): void {
    const bytes = this.rest === null ? chunk : Buffer.concat([this.rest, chunk]);
    const headEnd = bytes.indexOf("\r\n\r\n");
    const length = headEnd === -1 ? -1 : contentLength(bytes, headEnd);
    const end = headEnd + 4 + length;
    if (headEnd === -1 || bytes.length < end) {
      this.rest = bytes;
      return;
    }
    this.rest = null;
    // "HTTP/1.1 200": three digits after the first space.
    const status = ((bytes[9] ?? 0) - 48) * 100 + ((bytes[10] ?? 0) - 48) * 10 + ((bytes[11] ?? 0) - 48);
    this.run.answered(status, performance.now() - this.sentAt, () =>
      bytes.toString("utf8", headEnd + 4, end),
    );
    this.send();
  }
}

function contentLength(bytes: Buffer, headEnd: number): number {
  const head = bytes.toString("latin1", 0, headEnd);
  let at = head.indexOf("Content-Length: ");
  if (at === -1) at = head.toLowerCase().indexOf("content-length: ");
  if (at === -1) throw new Error(`an answer without a Content-Length: ${head}`);
  return Number.parseInt(head.slice(at + 16), 10);
}

if (process.argv[2] === "--child") {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk);
  const options = JSON.parse(text) as Omit<LoadOptions, "requests"> & { requests: string[] };
  const report = await runLoad({
    ...options,
    requests: options.requests.map((each) => Buffer.from(each, "base64")),
  });
  process.stdout.write(JSON.stringify(report));
}
