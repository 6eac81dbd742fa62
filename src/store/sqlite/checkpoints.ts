import type BetterSqlite from "better-sqlite3";
import { Worker } from "node:worker_threads";
import type { CancelTimer, Clock } from "../../base/index.ts";
import type { FromCheckpointer, ToCheckpointer } from "./checkpointer.ts";
import { checkpointPages, copyPages } from "./open.ts";

/** Here is the writer's thread, beside whose file this one lies: from source, compiled and packed. */
const file = new URL(
  import.meta.url.endsWith(".ts") ? "./checkpointer.ts" : "./checkpointer.js",
  import.meta.url,
);

/** A row counts as a page, and so do as many bytes. Rows that are appended share one: this errs towards too early. */
const bytesPerPage = 4096;

/** What was written while the first round went on is copied by a second one, and so on; each has less to do, unless the disk is slow. */
const roundsMax = 4;
/** So little is left that the writer does it by itself, which is what lets the log begin anew: a few milliseconds. */
const restPagesMax = 512;

/** An idle node should not keep a thread for it; starting one takes 30 ms of another core. */
const keptForMs = 10_000;

/** Only few values and two statements pass through it; without these, Node sets aside more than SQLite needs. */
const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };

/**
 * Keeps the write-ahead log short from beside the writer: a thread copies nearly all of it, the writer the rest. Where that does not
 * work out, SQLite does it within a commit, as it would by itself (`checkpointPages`).
 */
export class Checkpoints {
  private readonly database: BetterSqlite.Database;
  private readonly clock: Clock;
  private readonly pagesBetween: number;
  private pages = 0;
  private round = 0; // 0 = none is under way
  private worker: Worker | null = null;
  private idle: CancelTimer | null = null;
  private isOff = false;

  constructor(database: BetterSqlite.Database, clock: Clock, pagesBetween = checkpointPages / 2) {
    this.database = database;
    this.clock = clock;
    this.pagesBetween = pagesBetween;
  }

  get isCopying(): boolean {
    return this.round > 0;
  }

  /** After each flush. */
  wrote(rows: number, bytes: number): void {
    this.pages += rows + bytes / bytesPerPage;
    if (this.pages < this.pagesBetween || this.isCopying || this.isOff) return;
    this.pages = 0;
    this.copy(1);
  }

  /** Resolves when nothing but the writer has the file open. */
  async stop(): Promise<void> {
    this.isOff = true;
    await this.end();
  }

  private copy(round: number): void {
    this.round = round;
    this.stayAwake();
    this.worker ??= this.start();
    post(this.worker, "copy");
  }

  private readonly hear = (copied: FromCheckpointer): void => {
    const { round } = this;
    this.round = 0;
    if (this.isOff) return;
    if (copied === null) {
      this.giveUp();
      return;
    }
    // What was written since is not in it, but nearly so.
    if (copied.log - copied.copied > restPagesMax && round < roundsMax) {
      this.copy(round + 1);
      return;
    }
    try {
      copyPages(this.database);
    } catch {
      // The next commit meets the same trouble, and somebody waits for what it says.
    }
    this.idle = this.clock.after(keptForMs, () => void this.end());
  };

  private start(): Worker {
    const worker = new Worker(file, {
      workerData: this.database.name,
      name: "signalbox-checkpoints",
      execArgv: [],
      resourceLimits,
    });
    worker.on("message", this.hear);
    worker.on("error", () => this.giveUp());
    return worker;
  }

  private giveUp(): void {
    this.isOff = true;
    this.round = 0;
    void this.end();
  }

  private stayAwake(): void {
    this.idle?.();
    this.idle = null;
  }

  private async end(): Promise<void> {
    this.stayAwake();
    const { worker } = this;
    this.worker = null;
    if (worker === null || worker.threadId === -1) return;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    post(worker, "stop");
    await ended;
  }
}

const post = (worker: Worker, message: ToCheckpointer): void => worker.postMessage(message, []);
