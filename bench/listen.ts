import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { built } from "./built.ts";

/**
 * What open `subscriptions/listen` streams cost, beside the official SDK's server in the same run: memory per stream, and CPU and
 * time to tell all of them of one change: `node bench/listen.ts [streams]`. Each stream is a connection of its own, on both sides:
 * `ulimit -n` must allow for them.
 */
const streams = Number(process.argv[2] ?? 10_000);
/** Connections that are being opened at the same time: fewer than a listening socket keeps waiting. */
const openingMax = 100;

interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

async function measure(kind: "edge" | "sdk"): Promise<void> {
  const program = built("edge-servers.ts");
  const child = fork(program, [kind], { execArgv: ["--expose-gc"] });
  const { port } = await answer<{ port: number }>(child);
  // The first few stay, so that what is made once is not counted.
  const crowd = new Crowd(port);
  await crowd.grow(openingMax);
  const before = await usage(child, "collect");
  await crowd.grow(streams);
  const after = await usage(child, "collect");
  const startedAt = performance.now();
  const told = crowd.everyoneTold("list_changed");
  const atChange = await usage(child, "change");
  await told;
  const tellMs = performance.now() - startedAt;
  const afterChange = await usage(child, "usage");
  const perStream = (pick: (usage: Usage) => number) =>
    (pick(after) - pick(before)) / (streams - openingMax) / 1024;
  console.log(
    `${kind.padEnd(5)} RSS ${perStream((each) => each.rssBytes).toFixed(1)} KB/stream, ` +
      `heap ${perStream((each) => each.heapBytes).toFixed(1)} KB/stream; ` +
      `one change told to all in ${tellMs.toFixed(0)} ms, ` +
      `${((afterChange.cpuUs - atChange.cpuUs) / streams).toFixed(1)} us CPU/stream`,
  );
  crowd.leave();
  child.disconnect();
}

/** Clients that open a stream each and read what comes on it. */
class Crowd {
  private readonly port: number;
  private readonly sockets: Socket[] = [];
  private word = "";
  private missing = 0;
  private done: () => void = () => undefined;

  constructor(port: number) {
    this.port = port;
  }

  /** Resolves when so many streams are open and acknowledged. */
  async grow(to: number): Promise<void> {
    while (this.sockets.length < to) {
      const some = Math.min(openingMax, to - this.sockets.length);
      const told = this.told("acknowledged", some);
      for (let i = 0; i < some; i++) this.open();
      await told;
    }
  }

  everyoneTold(word: string): Promise<void> {
    return this.told(word, this.sockets.length);
  }

  private told(word: string, count: number): Promise<void> {
    this.word = word;
    this.missing = count;
    return new Promise((resolve) => (this.done = resolve));
  }

  leave(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private open(): void {
    const socket = connect({ host: "127.0.0.1", port: this.port });
    socket.on("data", (chunk: Buffer) => {
      if (chunk.includes(this.word) && --this.missing === 0) this.done();
    });
    socket.on("error", (error) => {
      throw error;
    });
    socket.write(request(this.sockets.length));
    this.sockets.push(socket);
  }
}

function request(id: number): Buffer {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id,
    method: "subscriptions/listen",
    params: {
      notifications: { toolsListChanged: true },
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
  });
  return Buffer.from(
    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer bench\r\nContent-Type: application/json\r\n" +
      "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n" +
      `Mcp-Method: subscriptions/listen\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function usage(child: ChildProcess, what: "collect" | "change" | "usage"): Promise<Usage> {
  const answered = answer<Usage>(child);
  child.send(what);
  return answered;
}

function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a server ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      resolve(message as T);
    });
  });
}

console.log(`${streams} open streams, node ${process.version}`);
for (const kind of ["edge", "sdk"] as const) await measure(kind);
