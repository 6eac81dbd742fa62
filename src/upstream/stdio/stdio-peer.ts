import type { Clock } from "../../base/index.ts";
import { delay, Fault } from "../../base/index.ts";
import type { UpstreamRequest } from "../exchange.ts";
import type { UpstreamLimits } from "../limits.ts";
import { readMessageBytes } from "../message.ts";
import { clearSecrets } from "../secrets.ts";
import type { MultiplexedCall } from "../multiplexed-call.ts";
import type { MultiplexedTransport } from "../multiplexed-stream.ts";
import { MultiplexedStream } from "../multiplexed-stream.ts";
import { Trouble } from "../trouble.ts";
import type { WireOwner } from "../wire.ts";
import type { Child } from "./child.ts";
import { idAtEdges, LineReader } from "./line-reader.ts";
import { StderrTail } from "./stderr-tail.ts";

const envelopeBytesMax = 64 * 1024;
/** What a child wrote before it exited is still read, this long; and one whose output ended may take this long to exit. */
const lastWordsMs = 100;

/** JSON-RPC over the lines of one child process. Ends once: by `close`, by the child's exit, by the end of its output, or by too much garbage. */
export class StdioPeer implements MultiplexedTransport {
  readonly stream: MultiplexedStream;
  private readonly child: Child;
  private readonly serverName: string;
  private readonly limits: UpstreamLimits;
  private readonly clock: Clock;
  private readonly owner: WireOwner;
  private readonly secrets: readonly string[];
  private readonly stderr: StderrTail;
  private garbageInARow = 0;
  private outbox = "";

  constructor(options: {
    readonly child: Child;
    readonly serverName: string;
    readonly resultBytesMax: number;
    readonly limits: UpstreamLimits;
    readonly clock: Clock;
    readonly owner: WireOwner;
    readonly secrets: readonly string[];
  }) {
    const { serverName, clock, owner } = options;
    this.stream = new MultiplexedStream({ serverName, clock, owner, transport: this });
    this.child = options.child;
    this.serverName = serverName;
    this.limits = options.limits;
    this.clock = clock;
    this.owner = owner;
    this.secrets = options.secrets;
    this.stderr = new StderrTail({
      bytesMax: options.limits.stderrBytesMax,
      linesPerSecondMax: options.limits.stderrLinesPerSecondMax,
      clock: options.clock,
      onLine: (line) => options.owner.onStderr(clearSecrets(line, this.secrets)),
      onDropped: () => options.owner.onCount("stderr-dropped"),
    });
    const lineBytesMax = Math.max(options.resultBytesMax, options.limits.listBytesMax) + envelopeBytesMax;
    const reader = new LineReader(lineBytesMax, {
      onLine: (line) => this.onLine(line),
      onOversize: (head, tail, bytes) => this.onOversize(head, tail, bytes),
    });
    this.child.stdout.on("data", (chunk: Buffer) => reader.feed(chunk));
    this.child.stderr.on("data", (chunk: Buffer) => this.stderr.feed(chunk));
    void this.child.exited.then(async (how) => {
      if (!this.child.stdout.readableEnded) {
        await Promise.race([
          delay(this.clock, lastWordsMs),
          new Promise<void>((resolve) => this.child.stdout.once("end", resolve)),
        ]);
      }
      this.stream.end(this.exitTrouble(how));
    });
    this.child.stdout.once("end", () => void this.onOutputEnd());
  }

  /** Mostly it is about to exit, and how says more. One that lives on without output can answer nothing any more. */
  private async onOutputEnd(): Promise<void> {
    await Promise.race([this.child.exited, delay(this.clock, lastWordsMs)]);
    if (this.child.hasExited || this.stream.trouble !== null) return;
    this.stream.end(new Trouble("correctness", "it closed its output"));
    void this.child.end();
  }

  async close(): Promise<void> {
    this.stream.end(null);
    await this.child.end();
  }

  /** The checks before the first byte; `mayDispatch` is asked last. */
  whyNotNow(request: UpstreamRequest): Fault | null {
    if (this.child.hasExited || !this.child.stdin.writable) {
      return new Fault("tool-unavailable", `${this.serverName}: its process has ended`);
    }
    if (this.isUnread) {
      return new Fault("tool-unavailable", `${this.serverName} does not read its input`);
    }
    if (request.mayDispatch()) return null;
    return new Fault("deadline-before-dispatch", `${this.serverName}: dispatch was forbidden`);
  }

  start(call: MultiplexedCall, text: string): void {
    call.wasSent = true;
    this.post(text);
  }

  /** Lines of one turn of the event loop leave in one system call. */
  post(text: string): void {
    // A child that floods us with requests and reads none of our answers costs no more than this.
    if (this.isUnread) return;
    if (this.outbox === "") queueMicrotask(() => this.flush());
    this.outbox += `${text}\n`;
  }

  private get isUnread(): boolean {
    return this.child.stdin.writableLength + this.outbox.length > this.limits.unreadInputBytesMax;
  }

  private flush(): void {
    const text = this.outbox;
    this.outbox = "";
    if (this.child.stdin.writable) this.child.stdin.write(text);
  }

  private onLine(line: Buffer): void {
    if (this.stream.trouble !== null) return;
    const message = readMessageBytes(line, this.limits.messageDepthMax);
    this.stream.onMessage(message);
    if (message.kind !== "garbage") {
      this.garbageInARow = 0;
      return;
    }
    if (++this.garbageInARow < this.limits.garbageLinesMax) return;
    this.stream.end(
      new Trouble("correctness", `it wrote ${this.garbageInARow} lines in a row that are no messages`),
    );
    void this.child.end();
  }

  private onOversize(head: Buffer, tail: Buffer, bytes: number): void {
    if (this.stream.trouble !== null) return;
    // When the edges do not show whose answer it is and only one call waits, it can only be that one's.
    const id = idAtEdges(head, tail);
    const call = id === null ? this.stream.only : this.stream.openCall(id);
    if (call === null) this.owner.onCount("garbage");
    else this.stream.fail(call.id, this.stream.tooLarge(call.request, bytes));
  }

  private exitTrouble(how: string): Trouble {
    const lastLine = clearSecrets(this.stderr.lastLine(), this.secrets);
    return new Trouble(
      "dependency",
      lastLine === "" ? `its process ${how}` : `its process ${how}: ${lastLine}`,
    );
  }
}
