import type { Clock } from "../base/index.ts";
import { BoundedQueue, Fault, elapsedMs, faultFrom, invariant } from "../base/index.ts";
import type { Answer, FlushAnswer, Proof, Request, Writer } from "./request.ts";
import type { StoreStats } from "./store.ts";

/**
 * Nothing waits for its own flush. Requests queue; whenever the writer is idle, one flush carries all that wait (up to the
 * bounds), and each requester hears when its own is durable. A large one goes out beside those under way, if the writer takes
 * several: waiting would make it no cheaper, and the writer would have nothing to do while those who were answered make the next.
 */

/** Transactions in one flush: beyond some hundreds a larger flush is no cheaper per transaction, only later. */
const flushRequestsMax = 1024;
/** So many go out beside the flushes under way: by then a flush of their own costs each of them next to nothing more. */
const flushBesideMin = 256;
/** So many go out behind a commit that is under way; fewer wait for its answer, which brings more. */
const flushBehindMin = 64;
/** Bytes in one flush: about 20 ms of writing on a plain disk. A larger transaction goes alone. */
const flushBytesMax = 8_388_608;
/** Bytes that may wait. Twice the largest transaction, so that one of those never finds the door closed by another. */
const waitingBytesMax = 67_108_864;

type Settle = (answer: Answer, storeNowMs: number) => void;

interface Waiting {
  readonly request: Request;
  readonly bytes: number;
  readonly settle: Settle;
  readonly fail: (fault: Fault) => void;
}

type State = "new" | "open" | "closing" | "closed";

export class GroupCommit {
  private readonly writer: Writer;
  private readonly clock: Clock;
  private readonly beforeClose: () => void;
  private readonly queue: BoundedQueue<Waiting>;
  private waitingBytes = 0;
  private next: Waiting | null = null; // taken from the queue, but did not fit into the last flush
  private state: State = "new";
  private isScheduled = false;
  private underWay = 0; // flushes the writer has and has not answered
  private proof: Proof | null = null;
  private whenIdle: (() => void) | null = null;
  private stopped: Promise<void> | null = null;
  private flushes = 0;
  private transactions = 0;
  private lastFlushMs = 0;

  constructor(writer: Writer, clock: Clock, waitingMax: number, beforeClose: () => void) {
    this.writer = writer;
    this.beforeClose = beforeClose;
    this.clock = clock;
    this.queue = new BoundedQueue(waitingMax);
  }

  async start(): Promise<void> {
    invariant(this.state === "new", "a store is started once");
    await this.writer.start();
    this.state = "open";
  }

  stop(): Promise<void> {
    this.stopped ??= this.finish();
    return this.stopped;
  }

  bind(proof: Proof): void {
    this.proof = proof;
  }

  /** Either `settle` or `fail` is called once, later. */
  offer(request: Request, bytes: number, settle: Settle, fail: (fault: Fault) => void): void {
    const refusal = this.refusal(bytes);
    if (refusal !== null) {
      fail(refusal);
      return;
    }
    this.queue.offer({ request, bytes, settle, fail });
    this.waitingBytes += bytes;
    if (this.waiting >= flushBesideMin && this.underWay < this.flushesMax) this.flush();
    else this.schedule();
  }

  /** Null = only a flush can tell. */
  tellTime(): number | null {
    return this.state === "open" && this.writer.deadBecause === null
      ? (this.writer.tellTime?.() ?? null)
      : null;
  }

  stats(): StoreStats {
    return {
      waiting: this.waiting,
      waitingMax: this.queue.max,
      flushes: this.flushes,
      transactions: this.transactions,
      lastFlushMs: this.lastFlushMs,
    };
  }

  private get flushesMax(): number {
    return this.writer.flushesMax ?? 1;
  }

  private get waiting(): number {
    return this.queue.size + (this.next === null ? 0 : 1);
  }

  private refusal(bytes: number): Fault | null {
    if (this.writer.deadBecause !== null) return this.writer.deadBecause;
    if (this.state === "closing" || this.state === "closed") {
      return new Fault("shutting-down", "the store is stopping");
    }
    invariant(this.state === "open", "the store is not started");
    if (this.waiting >= this.queue.max) {
      return new Fault("store-busy", `${this.waiting} transactions wait; at most ${this.queue.max}`);
    }
    if (this.waitingBytes > 0 && this.waitingBytes + bytes > waitingBytesMax) {
      return new Fault("store-busy", `${this.waitingBytes} bytes wait; at most ${waitingBytesMax}`);
    }
    return null;
  }

  private schedule(): void {
    if (this.isScheduled || this.underWay > 0 || this.waiting === 0) return;
    this.isScheduled = true;
    this.writer.soon(this.flushSoon);
  }

  private readonly flushSoon = (): void => {
    this.isScheduled = false;
    if (this.underWay === 0) this.flush();
  };

  private flush(): void {
    const batch = this.takeBatch();
    if (batch.length === 0) return;
    this.underWay++;
    const startedAt = this.clock.monotonic();
    const requests = batch.map((waiting) => waiting.request);
    this.writer.flush(requests, this.proof, this.flushBehind).then(
      (answer) => {
        this.lastFlushMs = elapsedMs(this.clock.monotonic(), startedAt);
        this.settle(batch, answer);
      },
      (thrown: unknown) => this.fail(batch, faultFrom(thrown, "flushing the store")),
    );
  }

  private readonly flushBehind = (): void => {
    if (this.waiting >= flushBehindMin) this.flush();
  };

  private takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let bytes = 0;
    while (batch.length < flushRequestsMax) {
      const waiting = this.next ?? this.queue.take();
      this.next = null;
      if (waiting === undefined) break;
      if (batch.length > 0 && bytes + waiting.bytes > flushBytesMax) {
        this.next = waiting;
        break;
      }
      bytes += waiting.bytes;
      batch.push(waiting);
    }
    this.waitingBytes -= bytes;
    return batch;
  }

  private settle(batch: readonly Waiting[], answer: FlushAnswer): void {
    this.flushes++;
    this.transactions += batch.length;
    this.underWay--;
    // Before anybody is answered, so that the writer is at work meanwhile.
    const mayGoBeside = this.waiting >= flushBesideMin && this.underWay < this.flushesMax;
    if (this.waiting > 0 && (this.underWay === 0 || mayGoBeside)) this.flush();
    for (let i = 0; i < batch.length; i++) {
      const given = answer.answers[i] ?? null;
      if (given instanceof Fault) batch[i]?.fail(given);
      else batch[i]?.settle(given, answer.storeNowMs);
    }
    this.tellIfIdle();
  }

  private fail(batch: readonly Waiting[], fault: Fault): void {
    for (const waiting of batch) waiting.fail(fault);
    const dead = this.writer.deadBecause;
    if (dead !== null) {
      for (let left = this.takeBatch(); left.length > 0; left = this.takeBatch()) {
        for (const waiting of left) waiting.fail(dead);
      }
    }
    this.underWay--;
    this.schedule();
    this.tellIfIdle();
  }

  private tellIfIdle(): void {
    if (this.underWay === 0 && this.waiting === 0) this.whenIdle?.();
  }

  private async finish(): Promise<void> {
    const wasOpen = this.state === "open";
    this.state = "closing";
    if (wasOpen && (this.underWay > 0 || this.waiting > 0)) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve;
      });
    }
    this.state = "closed";
    try {
      this.beforeClose();
    } finally {
      await this.writer.stop();
    }
  }
}
