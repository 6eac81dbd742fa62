import type { Clock } from "../../base/index.ts";
import { Fault, seededRandom } from "../../base/index.ts";
import { GroupCommitStore, waitingMaxDefault } from "../group-commit-store.ts";
import type { ListOptions, Logged, LogOptions, Snapshot, Store } from "../store.ts";
import type { Columns, KeyedTable, LogTable, Row, RowOf, Table } from "../table.ts";
import { MemoryDatabase } from "./database.ts";
import type { FaultOptions } from "./faults.ts";
import { Faults } from "./faults.ts";
import { snapshotOf } from "./fill.ts";
import { copied } from "./keyed.ts";
import { MemoryWriter } from "./writer.ts";

export interface MemoryStoreOptions {
  readonly tables: readonly Table[];
  readonly clock: Clock;
  readonly waitingMax?: number;
  readonly faults?: FaultOptions;
  /** Shared by all stores that stand for nodes on one database, and by a store reopened after a crash. Left out: a new one. */
  readonly database?: MemoryDatabase;
}

/** A store without durability beyond its MemoryDatabase: for unit tests and simulation. Flushes go out on the next microtask. */
export function openMemoryStore(options: MemoryStoreOptions): MemoryStore {
  return new MemoryStore(options);
}

export class MemoryStore extends GroupCommitStore implements Store {
  readonly database: MemoryDatabase;
  readonly faults: Faults;
  private readonly writer: MemoryWriter;
  private isOpen = false;

  constructor(options: MemoryStoreOptions) {
    const database = options.database ?? new MemoryDatabase(options.tables);
    const faults = new Faults(options.faults ?? { random: seededRandom(0) });
    const writer = new MemoryWriter(database, options.clock, faults);
    super({
      tables: database.byName,
      writer,
      clock: options.clock,
      waitingMax: options.waitingMax ?? waitingMaxDefault,
    });
    this.database = database;
    this.faults = faults;
    this.writer = writer;
  }

  override async start(): Promise<void> {
    await super.start();
    this.isOpen = true;
  }

  /** The node dies: nothing that waits is written, every later use is refused. Open another store on the same database. */
  crash(): void {
    this.writer.crash();
  }

  async get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null> {
    this.checkAlive();
    const row = this.database.keyedTable(table.name).get(key as Row);
    return row === null ? null : (copied(row) as RowOf<C>);
  }

  async list<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): Promise<readonly RowOf<C>[]> {
    this.checkAlive();
    const rows = this.database.keyedTable(table.name).list(options);
    return rows as readonly RowOf<C>[];
  }

  async getLogged<C extends Columns>(table: LogTable<C>, id: string): Promise<Logged<RowOf<C>> | null> {
    this.checkAlive();
    return this.database.logTable(table.name).get(id) as Logged<RowOf<C>> | null;
  }

  async listById<C extends Columns>(
    table: LogTable<C>,
    prefix: string,
    limit: number,
  ): Promise<readonly Logged<RowOf<C>>[]> {
    this.checkAlive();
    return this.database.logTable(table.name).listById(prefix, limit) as readonly Logged<RowOf<C>>[];
  }

  async listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    table: LogTable<C>,
    options: LogOptions<K>,
  ): Promise<readonly Logged<Pick<RowOf<C>, K>>[]> {
    this.checkAlive();
    return this.database.logTable(table.name).listLog(options) as readonly Logged<Pick<RowOf<C>, K>>[];
  }

  override async snapshot(): Promise<Snapshot> {
    this.checkAlive();
    return snapshotOf(this.database);
  }

  protected override closeReads(): void {
    this.isOpen = false;
  }

  private checkAlive(): void {
    if (!this.isOpen) throw new Fault("shutting-down", "the store is not open");
    if (this.writer.deadBecause !== null) {
      throw new Fault("store-unavailable", "the store has crashed", { effect: "none" });
    }
  }
}
