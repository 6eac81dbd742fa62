import type { Clock } from "../../base/index.ts";
import { Fault, msOf } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { dataVersionOf } from "../data-version.ts";
import { GroupCommitStore, waitingMaxDefault } from "../group-commit-store.ts";
import type { RollCall } from "../roll-call.ts";
import type { ListOptions, Logged, LogOptions, Snapshot, Store } from "../store.ts";
import type { Columns, KeyedTable, LogTable, RowOf, Table } from "../table.ts";
import { Listener } from "./listener.ts";
import type { PostgresConnection } from "./options.ts";
import { schemaDefault } from "./options.ts";
import { openPostgresSnapshot } from "./read-only.ts";
import { Reader } from "./reader.ts";
import type { EpochChange } from "./registration.ts";
import { PostgresRollCall } from "./roll-call.ts";
import { Names } from "./sql.ts";
import { newWriterId } from "./writer-id.ts";
import { PostgresWriter } from "./writer.ts";

export type { EpochChange } from "./registration.ts";

export interface PostgresStoreOptions {
  readonly connection: PostgresConnection;
  readonly tables: readonly Table[];
  readonly clock: Clock;
  /** The version of the data this code writes. Left out: the newest that the tables speak of. */
  readonly dataVersion?: number;
  readonly waitingMax?: number;
  /**
   * "database" (left out): store time is the database's clock, one for all nodes. "own": this store's clock, for tests that move
   * time by hand. Neither lets store time go back.
   */
  readonly time?: "database" | "own";
  /** Another node may have raised the epoch, or this one. Called at most once per change, before the flush that saw it answers. */
  readonly onEpoch?: (change: EpochChange) => void;
}

/** A store that many nodes may have open at once. */
export interface PostgresStore extends Store {
  /** Grows with every promotion of a standby and every restore. Known once the store is started. */
  readonly epoch: number;
  /** Begun by whoever finds the database another, before `onEpoch` is told; each of these stores answers by its next flush. */
  readonly rollCall: RollCall;
}

/** A durable store in a PostgreSQL database. `done` means: committed, with whatever that waits for there. */
export function openPostgresStore(options: PostgresStoreOptions): PostgresStore {
  return new PostgresGroupStore(options);
}

class PostgresGroupStore extends GroupCommitStore implements PostgresStore {
  private readonly options: PostgresStoreOptions;
  private readonly names: Names;
  private readonly writer: PostgresWriter;
  private readonly listener: Listener;
  readonly rollCall: RollCall;
  private reader: Reader | null = null;
  private closing: Promise<void> = Promise.resolve();

  constructor(options: PostgresStoreOptions) {
    const { connection, clock } = options;
    const tables = tablesByName(options.tables);
    const names = new Names(connection.schema ?? schemaDefault);
    const dataVersion = options.dataVersion ?? dataVersionOf(options.tables);
    const writerId = newWriterId(clock, dataVersion);
    const listener = new Listener({ connection, names, clock, writer: writerId }, (topic) =>
      this.heard(topic),
    );
    const writer = new PostgresWriter({
      connection,
      clock,
      tables,
      names,
      writer: writerId,
      dataVersion,
      isOurTime: options.time === "own",
      announcement: listener.announcement(),
      onEpoch: (change) => {
        this.reader?.renew();
        options.onEpoch?.(change);
      },
    });
    super({ tables, writer, clock, waitingMax: options.waitingMax ?? waitingMaxDefault });
    this.options = options;
    this.names = names;
    this.writer = writer;
    this.listener = listener;
    this.rollCall = new PostgresRollCall(connection, names, () =>
      options.time === "own" ? msOf(clock.wall()) : null,
    );
  }

  get epoch(): number {
    return this.writer.epoch;
  }

  override async start(): Promise<void> {
    await super.start();
    this.reader = new Reader(this.options.connection, this.names);
    await this.listener.start();
  }

  protected override closeReads(): void {
    const { reader } = this;
    this.reader = null;
    this.closing = Promise.all([reader?.close(), this.listener.stop()]).then(() => undefined);
  }

  override async stop(): Promise<void> {
    try {
      await super.stop();
    } finally {
      await this.closing;
    }
  }

  async get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null> {
    return this.reads().get(table, key);
  }

  async list<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): Promise<readonly RowOf<C>[]> {
    return this.reads().list(table, options);
  }

  async getLogged<C extends Columns>(table: LogTable<C>, id: string): Promise<Logged<RowOf<C>> | null> {
    return this.reads().getLogged(table, id);
  }

  async listById<C extends Columns>(
    table: LogTable<C>,
    prefix: string,
    limit: number,
  ): Promise<readonly Logged<RowOf<C>>[]> {
    return this.reads().listById(table, prefix, limit);
  }

  async listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    table: LogTable<C>,
    options: LogOptions<K>,
  ): Promise<readonly Logged<Pick<RowOf<C>, K>>[]> {
    return this.reads().listLog(table, options);
  }

  override async snapshot(): Promise<Snapshot> {
    this.reads(); // open, or it says so
    return openPostgresSnapshot(this.options.connection, this.names);
  }

  private reads(): Reader {
    if (this.reader === null) throw new Fault("shutting-down", "the store is not open");
    return this.reader;
  }
}
