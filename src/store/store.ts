import type { StoreMs } from "../base/index.ts";
import type { Columns, KeyedTable, LogTable, Row, RowOf } from "./table.ts";
import type { Transaction } from "./transaction.ts";

/**
 * The answer to a committed flush. `done`: durable now. `guard-failed`: nothing of this transaction was written; `index` names
 * the first write whose guard did not hold. `storeNow` is the store's time in that flush.
 */
export type Verdict =
  | { readonly verdict: "done"; readonly storeNow: StoreMs }
  | { readonly verdict: "guard-failed"; readonly index: number; readonly storeNow: StoreMs };

/** A row of a log with the place the store gave it. */
export type Logged<R> = R & { readonly cursor: number };

export interface ListOptions<C extends Columns> {
  /** "key" (the primary key), a unique key's name, or an index's name. */
  readonly index: string;
  /** A prefix of the index's columns, all equal. */
  readonly equals?: Partial<RowOf<C>>;
  /** Bounds for the column after the prefix. `after` is exclusive, `from` inclusive, `upTo` inclusive. */
  readonly after?: string | number;
  readonly from?: string | number;
  readonly upTo?: string | number;
  readonly order?: "ascending" | "descending";
  readonly limit: number;
}

export interface LogOptions<K extends string = string> {
  /** Only these columns are read (and the cursor); absent = all. Worth it where rows are large and little of them is needed. */
  readonly columns?: readonly K[];
  readonly partition: string;
  /** Exclusive. Ascending: rows above; descending: rows below. */
  readonly after?: number;
  readonly order?: "ascending" | "descending";
  readonly limit: number;
}

/** No read returns more rows than this; page with `after`. */
export const rowsPerReadMax = 10_000;

/** A right to work under a name. `fence` only grows, per name; whoever holds the name next has a higher one. */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  readonly fence: number;
  readonly expiresAt: StoreMs;
}

/** A signal waits in the store until somebody takes it. Per (topic, key) the first one wins. */
export interface Signal {
  readonly topic: string;
  readonly key: string;
  readonly payload: string;
}

export interface WakeUp {
  readonly topic: string;
  readonly key: string;
  readonly at: StoreMs;
}

/**
 * What every store can do. All methods reject with a Fault (`store-busy`: the bounded queue is full, nothing was written;
 * `store-unavailable`: the disk or server failed; its `effect` says whether the write may stand; `lease-lost`: this node's fence
 * moved, nothing was written; `shutting-down`).
 */
export interface Store {
  /** Opens, migrates, starts the writer. Rejects with `store-in-use` or `store-version`. */
  start(): Promise<void>;
  /** Flushes what was accepted, then closes. Safe to call twice. */
  stop(): Promise<void>;

  /** Resolves once durable. Transactions are carried out in the order of their arrival. */
  commit(transaction: Transaction): Promise<Verdict>;

  get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null>;
  list<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): Promise<readonly RowOf<C>[]>;
  getLogged<C extends Columns>(table: LogTable<C>, id: string): Promise<Logged<RowOf<C>> | null>;
  /** Rows whose id starts with `prefix`, in order of id. */
  listById<C extends Columns>(
    table: LogTable<C>,
    prefix: string,
    limit: number,
  ): Promise<readonly Logged<RowOf<C>>[]>;
  listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    table: LogTable<C>,
    options: LogOptions<K>,
  ): Promise<readonly Logged<Pick<RowOf<C>, K>>[]>;

  /** The store's own time, never going back. */
  now(): Promise<StoreMs>;

  /** Null when someone else holds it and it has not expired. A holder that acquires again gets a new, higher fence. */
  acquireLease(name: string, holder: string, ttlMs: number): Promise<Lease | null>;
  /** Null when the lease was lost. */
  renewLease(lease: Lease, ttlMs: number): Promise<Lease | null>;
  releaseLease(lease: Lease): Promise<void>;
  /** From now on every flush first proves this lease's fence and fails whole with `lease-lost` if it moved. */
  bindToLease(lease: Lease): void;

  /** Resolves with false when a signal with this topic and key is already there. `signal(...)` is the same as a write. */
  putSignal(signal: Signal): Promise<boolean>;
  takeSignals(topic: string, limit: number): Promise<readonly Signal[]>;

  /** Due wake-ups, removed as they are taken. `wakeUp(...)` schedules one as a write. */
  takeDueWakeUps(topic: string, limit: number): Promise<readonly WakeUp[]>;
  /** Called after a local commit that put a signal or wake-up under the topic; a hint only. Returns how to stop listening. */
  onHint(topic: string, listener: () => void): () => void;

  /** For gauges: how much waits and how the last flushes went. */
  stats(): StoreStats;

  /** Everything as it is now, to be read while work goes on. Close it soon: what is written meanwhile is kept twice until then. */
  snapshot(): Promise<Snapshot>;
}

/** The reads of a store alone: for verification of a data directory, offline or beside a running node. */
export interface ReadStore extends Pick<Store, "get" | "list" | "getLogged" | "listById" | "listLog"> {
  close(): void;
}

/** A store as it was at one moment, for as long as it is open. */
export interface Snapshot extends ReadStore {
  /** Rows of a log over all its partitions, ascending by cursor, which stands in each. `after` is exclusive. */
  scanLog(table: LogTable, page: { readonly after: number; readonly limit: number }): Promise<readonly Row[]>;
}

export interface StoreStats {
  readonly waiting: number;
  readonly waitingMax: number;
  readonly flushes: number;
  readonly transactions: number;
  readonly lastFlushMs: number;
}
