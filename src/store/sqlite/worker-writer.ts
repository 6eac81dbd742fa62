import { Worker } from "node:worker_threads";
import type { Clock } from "../../base/index.ts";
import { Fault, invariant, msOf, ownFile } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { Absent } from "../given-up.ts";
import { pruned, tablesWithout } from "../given-up.ts";
import type { Answer, FlushAnswer, Proof, Request, Writer } from "../request.ts";
import { verdictDone } from "../request.ts";
import { faultOf } from "./failure.ts";
import type { WireAnswer } from "./message.ts";
import { Encoder } from "./message.ts";
import type { FromWriter, ToWriter, WriterData } from "./protocol.ts";

const writerFile = ownFile("src/store/sqlite/writer.ts");

/** Enough that it finds the next one when it has done one, while the main thread is busy with those who were answered. */
const flushesMax = 3;

interface Pending {
  readonly requests: number;
  readonly resolve: (answer: FlushAnswer) => void;
  readonly reject: (fault: Fault) => void;
}

/** What it makes lives for one flush: a larger young generation would only be 20 MB more, and no faster. */
const resourceLimits = { maxYoungGenerationSizeMb: 12 };

/** The main thread's end of the writer. When the thread dies, what was in flight is unknown and nothing more is taken. */
export class WorkerWriter implements Writer {
  readonly flushesMax = flushesMax;
  private readonly data: WriterData;
  private readonly clock: Clock;
  private readonly tables: TablesByName;
  private encoder: Encoder;
  /** The directory is ours alone, so it stays as it was found at the start. */
  private absent: Absent = new Map();
  private readonly threadFile: URL;
  private worker: Worker | null = null;
  /** In the order they were sent, which is that of the answers. */
  private pending: Pending[] = [];
  private starting: { resolve: () => void; reject: (fault: Fault) => void } | null = null;
  private isStopping = false;
  private toldMs = 0;
  private coveredMs = 0;
  private death: Fault | null = null;

  constructor(data: WriterData, tables: TablesByName, clock: Clock, threadFile = writerFile) {
    this.threadFile = threadFile;
    this.data = data;
    this.clock = clock;
    this.tables = tables;
    this.encoder = new Encoder(tables);
  }

  get deadBecause(): Fault | null {
    return this.death;
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.starting = { resolve, reject };
      // Not our process's own flags: some of them (--input-type, --eval) would keep the thread from starting.
      const options = { workerData: this.data, name: "signalbox-store", execArgv: [], resourceLimits };
      const worker = new Worker(this.threadFile, options);
      this.worker = worker;
      worker.on("message", this.hear);
      worker.on("error", (error) => this.die(error));
      worker.on("exit", (code) => {
        if (!this.isStopping) this.die(new Error(`the writer's thread ended with code ${code}`));
      });
    });
  }

  /** After everything this turn of the event loop brings: what arrives together is flushed together. */
  soon(action: () => void): void {
    setImmediate(action);
  }

  flush(requests: readonly Request[], proof: Proof | null): Promise<FlushAnswer> {
    return new Promise((resolve, reject) => {
      if (this.death !== null) {
        reject(this.death);
        return;
      }
      const wallMs = Math.max(msOf(this.clock.wall()), this.toldMs);
      const message = this.encoder.encode(pruned(requests, this.absent), wallMs, proof);
      this.pending.push({ requests: requests.length, resolve, reject });
      this.post(message, [message.numbers.buffer, message.bytes.buffer]);
    });
  }

  tellTime(): number | null {
    const nowMs = Math.max(this.toldMs, Math.floor(msOf(this.clock.wall())));
    if (nowMs > this.coveredMs) return null;
    this.toldMs = nowMs;
    return nowMs;
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    const { worker } = this;
    if (worker === null || this.death !== null) return;
    await new Promise<void>((resolve) => {
      worker.on("exit", () => resolve());
      this.post({ kind: "stop", toldMs: this.toldMs }, []);
    });
  }

  private post(message: ToWriter, transfer: ArrayBuffer[]): void {
    this.worker?.postMessage(message, transfer);
  }

  private readonly hear = (message: FromWriter): void => {
    switch (message.kind) {
      case "flushed": {
        const pending = this.takePending();
        const answers = message.answers?.map(received) ?? doneTimes(pending.requests);
        this.coveredMs = message.coveredMs;
        // A flush that was on its way when a later time was told is not answered with an earlier one.
        this.toldMs = Math.max(this.toldMs, message.storeNowMs);
        pending.resolve({ storeNowMs: this.toldMs, answers });
        return;
      }
      case "failed":
        this.takePending().reject(faultOf(message.failure));
        return;
      case "ready":
        this.absent = message.absent;
        this.encoder = new Encoder(tablesWithout(this.tables, message.absent));
        this.starting?.resolve();
        this.starting = null;
        return;
      case "refused":
        this.isStopping = true;
        this.death = new Fault(message.code, message.message, { effect: "none", evidence: message.evidence });
        this.starting?.reject(this.death);
        this.starting = null;
        return;
      case "stopped":
    }
  };

  private takePending(): Pending {
    const pending = this.pending.shift();
    invariant(pending, "the writer answered what nobody asked");
    return pending;
  }

  private die(cause: unknown): void {
    this.death ??= new Fault("store-unavailable", "the store's writer has died; restart the node", {
      effect: "none",
      retry: "never",
      cause,
    });
    this.starting?.reject(this.death);
    this.starting = null;
    for (const pending of this.pending.splice(0)) {
      pending.reject(
        new Fault("store-unavailable", "the store's writer died before it answered", {
          effect: "unknown",
          cause,
        }),
      );
    }
  }
}

const received = (answer: WireAnswer): Answer =>
  typeof answer === "object" && answer !== null && "failed" in answer ? faultOf(answer) : answer;

const doneTimes = (count: number): readonly Answer[] => Array.from({ length: count }, () => verdictDone);
