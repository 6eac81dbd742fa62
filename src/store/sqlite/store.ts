import type { Clock } from "../../base/index.ts";
import { Fault, invariant } from "../../base/index.ts";
import { tablesByName } from "../check.ts";
import { dataVersionOf } from "../data-version.ts";
import { GroupCommitStore, waitingMaxDefault } from "../group-commit-store.ts";
import type { ListOptions, Logged, LogOptions, Snapshot, Store } from "../store.ts";
import type { Columns, KeyedTable, LogTable, RowOf, Table } from "../table.ts";
import type { DirectoryLock } from "./directory-lock.ts";
import { lockDirectory } from "./directory-lock.ts";
import { dataFile, openReadConnection } from "./open.ts";
import { openSqliteSnapshot } from "./read-only.ts";
import { Reader } from "./reader.ts";
import { WorkerWriter } from "./worker-writer.ts";

export interface SqliteStoreOptions {
  /** Made when it is missing. One store at a time; see `store-in-use`. */
  readonly directory: string;
  readonly tables: readonly Table[];
  readonly clock: Clock;
  /** The version of the data this code writes. Left out: the newest that the tables speak of. */
  readonly dataVersion?: number;
  readonly waitingMax?: number;
  /** The data file never grows beyond this; then it counts as a full disk. Left out: as large as the disk allows. */
  readonly bytesMax?: number;
}

/** A durable store in one directory. `done` means: on the disk, through a full sync. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  return new SqliteStore(options);
}

class SqliteStore extends GroupCommitStore {
  private readonly directory: string;
  private readonly declared: readonly Table[];
  private lock: DirectoryLock | null = null;
  private reader: Reader | null = null;

  constructor(options: SqliteStoreOptions) {
    const tables = tablesByName(options.tables);
    const data = {
      file: dataFile(options.directory),
      tables: options.tables,
      dataVersion: options.dataVersion ?? dataVersionOf(options.tables),
      bytesMax: options.bytesMax ?? null,
    };
    super({
      tables,
      writer: new WorkerWriter(data, tables, options.clock),
      clock: options.clock,
      waitingMax: options.waitingMax ?? waitingMaxDefault,
    });
    this.directory = options.directory;
    this.declared = options.tables;
  }

  override async start(): Promise<void> {
    invariant(this.lock === null, "a store is started once");
    this.lock = lockDirectory(this.directory);
    try {
      await super.start();
      this.reader = new Reader(openReadConnection(dataFile(this.directory)));
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
  }

  /** The reader goes first: then the writer is the last to close, which folds the write-ahead log into the data file. */
  protected override closeReads(): void {
    this.reader?.close();
    this.reader = null;
  }

  override async stop(): Promise<void> {
    try {
      await super.stop();
    } finally {
      this.lock?.release();
      this.lock = null;
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
    return openSqliteSnapshot(this.directory, this.declared);
  }

  private reads(): Reader {
    if (this.reader === null) throw new Fault("shutting-down", "the store is not open");
    return this.reader;
  }
}
