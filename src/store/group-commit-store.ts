import type { Clock, StoreMs } from "../base/index.ts";
import { Fault, invariant, storeMs } from "../base/index.ts";
import type { TablesByName } from "./check.ts";
import { checkLimit, checkTransaction } from "./check.ts";
import { GroupCommit } from "./group-commit.ts";
import { Hints } from "./hints.ts";
import { signal as signalWrite } from "./own-tables.ts";
import type { Answer, Request, Writer } from "./request.ts";
import { verdictDone } from "./request.ts";
import type {
  Lease,
  ListOptions,
  Logged,
  LogOptions,
  Signal,
  Snapshot,
  Store,
  StoreStats,
  Verdict,
  WakeUp,
} from "./store.ts";
import type { Columns, KeyedTable, LogTable, RowOf } from "./table.ts";
import type { Transaction } from "./transaction.ts";

/** Requests that wait for a flush are small beside the data of transactions; this stands for their size. */
const requestBytes = 64;

/** Transactions that may wait. At 10,000 a second they are served within a second: longer queues only make everybody late. */
export const waitingMaxDefault = 8192;

/** Everything of a Store that is the same whatever carries the flush. What differs: the writer, and how reads are made. */
export abstract class GroupCommitStore implements Store {
  protected readonly tables: TablesByName;
  private readonly commits: GroupCommit;
  private readonly hints = new Hints();
  private lastDone: Verdict = { verdict: "done", storeNow: storeMs(0) };
  private lastDoneMs = 0;

  constructor(options: { tables: TablesByName; writer: Writer; clock: Clock; waitingMax: number }) {
    this.tables = options.tables;
    this.commits = new GroupCommit(options.writer, options.clock, options.waitingMax, () =>
      this.closeReads(),
    );
  }

  start(): Promise<void> {
    return this.commits.start();
  }

  stop(): Promise<void> {
    return this.commits.stop();
  }

  commit(transaction: Transaction): Promise<Verdict> {
    return new Promise((resolve, reject) => {
      const bytes = checkTransaction(this.tables, transaction);
      this.commits.offer(
        { kind: "transaction", writes: transaction },
        bytes,
        (answer, storeNowMs) => {
          if (answer === verdictDone) this.hints.announce(transaction);
          resolve(this.verdict(answer, storeNowMs));
        },
        reject,
      );
    });
  }

  now(): Promise<StoreMs> {
    const told = this.commits.tellTime();
    if (told !== null) return Promise.resolve(storeMs(told));
    return this.ask({ kind: "now" }, (_answer, storeNowMs) => storeMs(storeNowMs));
  }

  acquireLease(name: string, holder: string, ttlMs: number): Promise<Lease | null> {
    invariant(ttlMs > 0, `a lease lasts ${ttlMs} ms; more than 0`);
    return this.ask({ kind: "acquire-lease", name, holder, ttlMs }, (answer) => answer as Lease | null);
  }

  renewLease(lease: Lease, ttlMs: number): Promise<Lease | null> {
    invariant(ttlMs > 0, `a lease lasts ${ttlMs} ms; more than 0`);
    return this.ask({ kind: "renew-lease", lease, ttlMs }, (answer) => answer as Lease | null);
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.ask({ kind: "release-lease", lease }, () => undefined);
  }

  bindToLease(lease: Lease): void {
    this.commits.bind({ name: lease.name, fence: lease.fence });
  }

  async putSignal(signal: Signal): Promise<boolean> {
    const { verdict } = await this.commit([signalWrite(signal)]);
    return verdict === "done";
  }

  async takeSignals(topic: string, limit: number): Promise<readonly Signal[]> {
    checkLimit(limit);
    return this.ask({ kind: "take-signals", topic, limit }, (answer) => answer as readonly Signal[]);
  }

  async takeDueWakeUps(topic: string, limit: number): Promise<readonly WakeUp[]> {
    checkLimit(limit);
    return this.ask({ kind: "take-wake-ups", topic, limit }, (answer) => answer as readonly WakeUp[]);
  }

  onHint(topic: string, listener: () => void): () => void {
    return this.hints.listen(topic, listener);
  }

  stats(): StoreStats {
    return this.commits.stats();
  }

  /** Overridden by every store that can be read at one moment; what cannot be has no backups. */
  snapshot(): Promise<Snapshot> {
    return Promise.reject(new Fault("config-invalid", "this store cannot be read at one moment"));
  }

  abstract get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null>;
  abstract list<C extends Columns>(
    table: KeyedTable<C>,
    options: ListOptions<C>,
  ): Promise<readonly RowOf<C>[]>;
  abstract getLogged<C extends Columns>(table: LogTable<C>, id: string): Promise<Logged<RowOf<C>> | null>;
  abstract listById<C extends Columns>(
    table: LogTable<C>,
    prefix: string,
    limit: number,
  ): Promise<readonly Logged<RowOf<C>>[]>;
  abstract listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    table: LogTable<C>,
    options: LogOptions<K>,
  ): Promise<readonly Logged<Pick<RowOf<C>, K>>[]>;

  /** Called once everything accepted is flushed, before the writer closes. */
  protected abstract closeReads(): void;

  /** Another node says that something was put under a topic; null = under any. */
  protected heard(topic: string | null): void {
    this.hints.hear(topic);
  }

  private ask<T>(request: Request, read: (answer: Answer, storeNowMs: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.commits.offer(
        request,
        requestBytes,
        (answer, storeNowMs) => resolve(read(answer, storeNowMs)),
        reject,
      );
    });
  }

  /** All that became durable at one store time share one verdict object: there are thousands a second. */
  private verdict(answer: Answer, storeNowMs: number): Verdict {
    if (answer !== verdictDone) {
      return { verdict: "guard-failed", index: answer as number, storeNow: storeMs(storeNowMs) };
    }
    if (storeNowMs !== this.lastDoneMs) {
      this.lastDoneMs = storeNowMs;
      this.lastDone = { verdict: "done", storeNow: storeMs(storeNowMs) };
    }
    return this.lastDone;
  }
}
