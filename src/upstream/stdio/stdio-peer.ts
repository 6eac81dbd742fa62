import type { Clock } from "../../base/index.ts";
import { delay, elapsedMs, Fault, remainingMs } from "../../base/index.ts";
import { DeadlineSweep } from "../../net/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import type { UpstreamLimits } from "../limits.ts";
import type { Message } from "../message.ts";
import { readMessageBytes } from "../message.ts";
import { passProgress } from "../progress.ts";
import { badResultType, errorReply, garbageFault } from "../reply.ts";
import { cancelledText, requestText } from "../request-text.ts";
import { answerToServerRequest } from "../server-request.ts";
import { clearSecrets } from "../secrets.ts";
import { cancelledFault, deadlineFault, Trouble } from "../trouble.ts";
import type { WireOwner } from "../wire.ts";
import type { Child } from "./child.ts";
import { idAtEdges, LineReader } from "./line-reader.ts";
import { StderrTail } from "./stderr-tail.ts";

interface Pending {
  readonly request: UpstreamRequest;
  readonly resolve: (reply: UpstreamReply) => void;
  readonly reject: (fault: Fault) => void;
  /** The server has been told that it is withdrawn. */
  wasTold: boolean;
}

const envelopeBytesMax = 64 * 1024;
/** What a child wrote before it exited is still read, this long. */
const lastWordsMs = 100;

/** JSON-RPC over the lines of one child process. Ends once: by `close`, by the child's exit, or by too much garbage. */
export class StdioPeer {
  private readonly child: Child;
  private readonly serverName: string;
  private readonly limits: UpstreamLimits;
  private readonly clock: Clock;
  private readonly owner: WireOwner;
  private readonly secrets: readonly string[];
  private readonly pending = new Map<number, Pending>();
  private readonly stderr: StderrTail;
  private readonly deadlines: DeadlineSweep;
  private lastId = 0;
  private garbageInARow = 0;
  private outbox = "";
  /** null = it has not ended. */
  private ended: Trouble | null = null;

  constructor(options: {
    readonly child: Child;
    readonly serverName: string;
    readonly resultBytesMax: number;
    readonly limits: UpstreamLimits;
    readonly clock: Clock;
    readonly owner: WireOwner;
    readonly secrets: readonly string[];
  }) {
    this.child = options.child;
    this.serverName = options.serverName;
    this.limits = options.limits;
    this.clock = options.clock;
    this.owner = options.owner;
    this.secrets = options.secrets;
    this.deadlines = new DeadlineSweep(options.clock, () => this.endWhatIsDue());
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
      this.end(this.exitTrouble(how));
    });
  }

  get inFlight(): number {
    return this.pending.size;
  }

  /** Why it ended; null = it has not. */
  get trouble(): Trouble | null {
    return this.ended;
  }

  send(request: UpstreamRequest, envelope: string): Promise<UpstreamReply> {
    return new Promise((resolve, reject) => {
      const refusal = this.whyNotNow(request);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      const id = ++this.lastId;
      this.pending.set(id, { request, resolve, reject, wasTold: false });
      this.deadlines.arm();
      this.write(requestText(id, request, envelope));
    });
  }

  notify(text: string): void {
    if (this.ended === null) this.write(text);
  }

  async close(): Promise<void> {
    this.end(null);
    await this.child.end();
  }

  /** The checks before the first byte; `mayDispatch` is asked last. */
  private whyNotNow(request: UpstreamRequest): Fault | null {
    if (request.signal.aborted) return cancelledFault(this.serverName, false);
    if (this.ended !== null || this.child.hasExited || !this.child.stdin.writable) {
      const reason = this.ended?.message ?? "its process has ended";
      return new Fault("tool-unavailable", `${this.serverName}: ${reason}`);
    }
    if (this.child.stdin.writableLength + this.outbox.length > this.limits.unreadInputBytesMax) {
      return new Fault("tool-unavailable", `${this.serverName} does not read its input`);
    }
    if (remainingMs(this.clock, request.deadline) === 0) return deadlineFault(this.serverName, false);
    if (request.mayDispatch()) return null;
    return new Fault("deadline-before-dispatch", `${this.serverName}: dispatch was forbidden`);
  }

  /** Lines of one turn of the event loop leave in one system call. */
  private write(text: string): void {
    if (this.outbox === "") queueMicrotask(() => this.flush());
    this.outbox += `${text}\n`;
  }

  private flush(): void {
    const text = this.outbox;
    this.outbox = "";
    if (this.child.stdin.writable) this.child.stdin.write(text);
  }

  private onLine(line: Buffer): void {
    if (this.ended !== null) return;
    const message = readMessageBytes(line, this.limits.messageDepthMax);
    if (message.kind !== "garbage") this.garbageInARow = 0;
    switch (message.kind) {
      case "result":
      case "error":
        return this.onAnswer(message);
      case "garbage":
        return this.onGarbage(message);
      case "notification":
        return this.onNotification(message);
      case "request":
        if (message.method !== "ping") this.owner.onCount("refused-request");
        this.write(answerToServerRequest(message));
    }
  }

  private onAnswer(message: Extract<Message, { kind: "result" | "error" }>): void {
    const pending = message.id === null ? undefined : this.take(message.id);
    if (pending === undefined) {
      const wasAsked =
        message.id !== null && Number.isInteger(message.id) && message.id > 0 && message.id <= this.lastId;
      this.owner.onCount(wasAsked ? "repeated" : "unknown-id");
      return;
    }
    if (message.kind === "error") {
      pending.resolve(errorReply(message.error));
      return;
    }
    const size = Buffer.byteLength(message.raw);
    const bad = badResultType(message.value);
    if (size > pending.request.server.resultBytesMax) pending.reject(this.tooLarge(pending.request, size));
    else if (bad !== null) pending.reject(garbageFault(this.serverName, bad));
    else pending.resolve({ kind: "result", raw: message.raw, value: message.value });
  }

  private onGarbage(message: Extract<Message, { kind: "garbage" }>): void {
    this.owner.onCount("garbage");
    const pending = message.id === null ? undefined : this.take(message.id);
    pending?.reject(garbageFault(this.serverName, message.why));
    if (++this.garbageInARow < this.limits.garbageLinesMax) return;
    this.end(
      new Trouble("correctness", `it wrote ${this.garbageInARow} lines in a row that are no messages`),
    );
    void this.child.end();
  }

  private onNotification(message: Extract<Message, { kind: "notification" }>): void {
    if (message.method === "notifications/tools/list_changed") {
      this.owner.onListChanged();
    } else if (message.method === "notifications/progress") {
      const token = message.params["progressToken"];
      const pending = typeof token === "number" ? this.pending.get(token) : undefined;
      if (pending !== undefined) passProgress(pending.request, message.params);
    }
  }

  private onOversize(head: Buffer, tail: Buffer, bytes: number): void {
    if (this.ended !== null) return;
    // When the edges do not show whose answer it is and only one call waits, it can only be that one's.
    const only = this.pending.size === 1 ? [...this.pending.keys()][0] : undefined;
    const id = idAtEdges(head, tail) ?? only;
    const pending = id === undefined ? undefined : this.take(id);
    if (pending === undefined) this.owner.onCount("garbage");
    else pending.reject(this.tooLarge(pending.request, bytes));
  }

  private tooLarge(request: UpstreamRequest, bytes: number): Fault {
    const max = request.server.resultBytesMax;
    return new Fault(
      "result-too-large",
      `${this.serverName}: the result has ${bytes} bytes or more; ${max} are allowed`,
    );
  }

  private endWhatIsDue(): boolean {
    const now = this.clock.monotonic();
    for (const [id, pending] of this.pending) {
      const { request } = pending;
      if (request.signal.aborted) this.giveUp(id, cancelledFault(this.serverName, true));
      else if (elapsedMs(now, request.deadline.at) >= 0)
        this.giveUp(id, deadlineFault(this.serverName, true));
      else if (request.advice?.aborted === true) this.tellOnce(id, pending, "advice");
    }
    return this.pending.size > 0;
  }

  private giveUp(id: number, fault: Fault): void {
    const pending = this.take(id);
    if (pending === undefined) return;
    this.tellOnce(id, pending, "given-up");
    pending.reject(fault);
  }

  private tellOnce(id: number, pending: Pending, why: "given-up" | "advice"): void {
    // `initialize` may not be withdrawn (MCP 2025-11-25, cancellation).
    if (pending.wasTold || pending.request.method === "initialize") return;
    pending.wasTold = true;
    this.notify(cancelledText(id, why));
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined) return undefined;
    this.pending.delete(id);
    return pending;
  }

  /** null = we closed it, and nobody needs to be told. */
  private end(trouble: Trouble | null): void {
    if (this.ended !== null) return;
    this.ended = trouble ?? new Trouble("dependency", "the connection was closed");
    for (const id of this.pending.keys()) {
      const reason = `${this.serverName} was lost before it answered: ${this.ended.message}`;
      this.take(id)?.reject(new Fault("upstream-lost", reason, { cause: this.ended }));
    }
    if (trouble !== null) this.owner.onLost(trouble);
  }

  private exitTrouble(how: string): Trouble {
    const lastLine = clearSecrets(this.stderr.lastLine(), this.secrets);
    return new Trouble(
      "dependency",
      lastLine === "" ? `its process ${how}` : `its process ${how}: ${lastLine}`,
    );
  }
}
