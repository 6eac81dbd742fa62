import { Fault, invariant } from "../../base/index.ts";
import { metaTable } from "../own-tables.ts";
import type { Connection, Rows } from "./connection.ts";
import type { Beginning, OwnStatements, Standing } from "./own-statements.ts";
import { timelineExpression, writerTable } from "./own-statements.ts";
import type { Names } from "./sql.ts";

/** Rows of writers that never said goodbye. */
const forgottenMs = 30 * 86_400_000;

/** The database has become another: a standby was promoted, or it was restored. */
export interface EpochChange {
  readonly epoch: number;
  /** Whether everything that was acknowledged to this node is still there. Where not, its store takes no more writes. */
  readonly isIntact: boolean;
}

/**
 * This writer's row in the database, and what it knows about the database by it: which flush was acknowledged last, under which
 * epoch. A promoted standby holds a beginning of what was committed, so where the newest flush is, all older ones are.
 */
export class Registration {
  private readonly names: Names;
  private readonly writer: string;
  private readonly onEpoch: (change: EpochChange) => void;
  private acknowledgedFlush = 0;
  private lastFlush = 0;
  /** Flushes whose commit may stand, and whether the one in question stands if the row has this number; null = none in question. */
  private doubted: Map<number, boolean> | null = null;
  epoch = 0;

  constructor(names: Names, writer: string, onEpoch: (change: EpochChange) => void) {
    this.names = names;
    this.writer = writer;
    this.onEpoch = onEpoch;
  }

  get isInDoubt(): boolean {
    return this.doubted !== null;
  }

  standing(): Standing {
    return { writer: this.writer, acknowledged: this.acknowledgedFlush, next: ++this.lastFlush };
  }

  acknowledged(flush: number, epoch: number): void {
    this.acknowledgedFlush = flush;
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.onEpoch({ epoch, isIntact: true });
  }

  /** The commit of this flush was sent and not answered. */
  doubt(flush: number): void {
    this.doubted = new Map([
      [this.acknowledgedFlush, false],
      [flush, true],
    ]);
  }

  async enter(connection: Connection, own: OwnStatements, wallMs: number | null): Promise<void> {
    const writers = this.names.of(writerTable);
    await this.locked(connection, own, async () => {
      this.epoch = await this.raiseIfChanged(connection, own);
      const now =
        wallMs === null
          ? "floor(extract(epoch from clock_timestamp()) * 1000)::int8"
          : `${Math.floor(wallMs)}::int8`;
      await connection.run([
        { text: `DELETE FROM ${writers} WHERE at < ${now} - ${forgottenMs}` },
        { text: `INSERT INTO ${writers} (id, flush, at) VALUES ($1, 0, ${now})`, values: [this.writer] },
      ]);
    });
  }

  async leave(connection: Connection): Promise<void> {
    await connection.run([
      { text: `DELETE FROM ${this.names.of(writerTable)} WHERE id = $1`, values: [this.writer] },
    ]);
  }

  /**
   * Finds out whether the doubted flush stands. Takes the store's lock first, which its transaction held: then it is over, either
   * way. Writes as well, so that our own commit waits for the standby, and the doubted one, being older, is there too.
   */
  async settle(connection: Connection, own: OwnStatements): Promise<boolean> {
    const { doubted } = this;
    invariant(doubted, "there is nothing in doubt");
    const number = ++this.lastFlush;
    const stands = await this.locked(connection, own, async () => {
      const found = await this.flushInRow(connection);
      const stands = found === null ? undefined : doubted.get(found);
      if (stands === undefined) return null;
      doubted.set(number, stands);
      await connection.run([
        {
          text: `UPDATE ${this.names.of(writerTable)} SET flush = $2 WHERE id = $1`,
          values: [this.writer, String(number)],
        },
      ]);
      return stands;
    });
    if (stands === null) {
      this.onEpoch({ epoch: this.epoch, isIntact: false });
      throw this.lostHistory();
    }
    this.doubted = null;
    this.acknowledgedFlush = number;
    return stands;
  }

  /** The flush's beginning was not what this writer expected: raises the epoch where the timeline is another. */
  async meet(connection: Connection, own: OwnStatements, beginning: Beginning): Promise<void> {
    const epoch =
      beginning.timeline === beginning.knownTimeline
        ? beginning.epoch
        : await this.locked(connection, own, () => this.raiseIfChanged(connection, own));
    // Whoever is intact hears of it with the next flush, which proves that.
    if (beginning.isIntact) return;
    this.epoch = epoch;
    this.onEpoch({ epoch, isIntact: false });
  }

  lostHistory(): Fault {
    return new Fault(
      "lease-lost",
      "the database has lost what it had confirmed to this node (it was restored, or a standby that lagged was promoted); this node must start anew",
      { effect: "none", retry: "never" },
    );
  }

  private async flushInRow(connection: Connection): Promise<number | null> {
    const rows = await connection.rows(`SELECT flush FROM ${this.names.of(writerTable)} WHERE id = $1`, [
      this.writer,
    ]);
    return (rows[0]?.[0] ?? null) as number | null;
  }

  /** Under the store's lock, so that of all nodes that notice one raises it. */
  private async raiseIfChanged(connection: Connection, own: OwnStatements): Promise<number> {
    const meta = this.names.of(metaTable.name);
    const timeline = own.canReadTimeline ? timelineExpression : "NULL::int8";
    const rows = await connection.rows(
      `SELECT ${timeline}, (SELECT value FROM ${meta} WHERE name = 'timeline'), (SELECT value FROM ${meta} WHERE name = 'epoch')`,
    );
    const [current, known, epoch] = firstOf(rows);
    if (current === null || current === known) return epoch ?? 0;
    const raised = (epoch ?? 0) + (known === null ? 0 : 1);
    await connection.run([
      {
        text: `INSERT INTO ${meta} AS m (name, value) VALUES ('timeline', $1::int8) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
        values: [String(current)],
      },
      { text: `UPDATE ${meta} SET value = $1::int8 WHERE name = 'epoch'`, values: [String(raised)] },
    ]);
    return raised;
  }

  private async locked<T>(connection: Connection, own: OwnStatements, body: () => Promise<T>): Promise<T> {
    try {
      await connection.run([own.open(false)]);
      const value = await body();
      await connection.run([{ text: "SET LOCAL statement_timeout = 0; COMMIT" }]);
      return value;
    } catch (thrown) {
      if (!connection.isLost) await connection.runEach([{ text: "ROLLBACK" }]);
      throw thrown;
    }
  }
}

const firstOf = (rows: Rows): readonly (number | null)[] => (rows[0] ?? []) as (number | null)[];
