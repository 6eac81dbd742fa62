import { Fault, invariant } from "../../base/index.ts";
import type { Connection } from "./connection.ts";
import type { OwnStatements, Standing } from "./own-statements.ts";
import { clockText, givenUp, writerTable } from "./own-statements.ts";
import type { History } from "./roll-call.ts";
import { callTheRoll, historyOf, noteLoss, noteTimeline } from "./roll-call.ts";
import type { Names } from "./sql.ts";
import { underStoreLock } from "./transactions.ts";

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
  /** Store time of it. */
  private acknowledgedAtMs = 0;
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

  /** `presumed`: a flush whose commit was sent, and is not answered yet. */
  standing(presumed: number | null): Standing {
    const acknowledged = presumed ?? this.acknowledgedFlush;
    return { writer: this.writer, acknowledged, next: ++this.lastFlush };
  }

  acknowledged(flush: number, epoch: number, storeNowMs: number): void {
    this.acknowledgedFlush = flush;
    this.acknowledgedAtMs = storeNowMs;
    this.told(epoch);
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
    await underStoreLock(connection, own, async () => {
      this.epoch = (await this.raiseIfChanged(connection, own, wallMs)).epoch;
      const now = clockText(wallMs);
      await connection.run([
        { text: `DELETE FROM ${writers} WHERE at < ${now} - ${forgottenMs}` },
        { text: `INSERT INTO ${writers} (id, flush, at) VALUES ($1, 0, ${now})`, values: [this.writer] },
      ]);
    });
  }

  /** Not from a database that may lack what was acknowledged: there the row stays, as of one that does not answer. */
  async leave(connection: Connection): Promise<void> {
    await connection.run([
      {
        text: `DELETE FROM ${this.names.of(writerTable)} WHERE id = $1 AND flush = $2`,
        values: [this.writer, String(this.acknowledgedFlush)],
      },
    ]);
  }

  /**
   * Finds out whether the doubted flush stands. Takes the store's lock first, which its transaction held: then it is over, either
   * way. Writes as well, so that our own commit waits for the standby, and the doubted one, being older, is there too. Of a database that
   * has become another meanwhile its callers hear before they are answered.
   */
  async settle(connection: Connection, own: OwnStatements, wallMs: number | null): Promise<boolean> {
    const { doubted } = this;
    invariant(doubted, "there is nothing in doubt");
    const number = ++this.lastFlush;
    const { stands, epoch } = await underStoreLock(connection, own, async () => {
      const history = await this.raiseIfChanged(connection, own, wallMs);
      const found = await this.flushInRow(connection);
      const known = found === null ? undefined : doubted.get(found);
      if (known === undefined) {
        return { stands: null, epoch: await this.accountForLoss(connection, found, history, wallMs) };
      }
      doubted.set(number, known);
      await connection.run([
        {
          text: `UPDATE ${this.names.of(writerTable)} SET flush = $2, called = NULL WHERE id = $1`,
          values: [this.writer, String(number)],
        },
      ]);
      return { stands: known, epoch: history.epoch };
    });
    if (stands === null) throw this.lost(epoch);
    this.doubted = null;
    this.acknowledgedFlush = number;
    this.told(epoch);
    return stands;
  }

  /**
   * The database was not the one that this writer knew. Raises the epoch where its timeline is another; whoever is intact hears of that
   * with the next flush, which proves that. A Fault = what was acknowledged to this writer is gone, which is on record there now.
   */
  async meet(connection: Connection, own: OwnStatements, wallMs: number | null): Promise<Fault | null> {
    const lostIn = await underStoreLock(connection, own, async () => {
      const history = await this.raiseIfChanged(connection, own, wallMs);
      const found = await this.flushInRow(connection);
      return found === this.acknowledgedFlush
        ? null
        : this.accountForLoss(connection, found, history, wallMs);
    });
    return lostIn === null ? null : this.lost(lostIn);
  }

  private lost(epoch: number): Fault {
    this.epoch = epoch;
    this.onEpoch({ epoch, isIntact: false });
    return new Fault(
      "lease-lost",
      "the database has lost what it had confirmed to this node (it was restored, or a standby that lagged was promoted), or has given it up as silent; this node must start anew",
      { effect: "none", retry: "never" },
    );
  }

  private told(epoch: number): void {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.onEpoch({ epoch, isIntact: true });
  }

  private async flushInRow(connection: Connection): Promise<number | null> {
    const rows = await connection.rows(`SELECT flush FROM ${this.names.of(writerTable)} WHERE id = $1`, [
      this.writer,
    ]);
    return (rows[0]?.[0] ?? null) as number | null;
  }

  /** Under the store's lock, so that of all nodes that notice one raises it. */
  private async raiseIfChanged(
    connection: Connection,
    own: OwnStatements,
    wallMs: number | null,
  ): Promise<History> {
    const history = await historyOf(connection, this.names, own.canReadTimeline);
    const { epoch, timeline, knownTimeline } = history;
    if (timeline === null || timeline === knownTimeline) return history;
    await noteTimeline(connection, this.names, timeline);
    if (knownTimeline === null) return history;
    const above = Math.max(epoch, this.epoch);
    return {
      ...history,
      epoch: await callTheRoll(connection, this.names, above, wallMs),
      isCalling: true,
    };
  }

  /**
   * Under the store's lock: says that something is lost, where that is not known yet. Of several who find theirs gone, also on the same
   * timeline (a copy was put in its place), the first calls the others. Answers with the epoch.
   */
  private async accountForLoss(
    connection: Connection,
    found: number | null,
    { epoch, isCalling }: History,
    wallMs: number | null,
  ): Promise<number> {
    // What this writer may have lost was counted as lost when it did not answer; or it was asleep for so long that its row is forgotten.
    if (found === givenUp) return epoch;
    const [[now]] = (await connection.rows(`SELECT ${clockText(wallMs)}`)) as [[number]];
    if (found === null && now - this.acknowledgedAtMs > forgottenMs) return epoch;
    const current = isCalling
      ? epoch
      : await callTheRoll(connection, this.names, Math.max(epoch, this.epoch), wallMs);
    await noteLoss(connection, this.names);
    await connection.run([
      {
        text: `INSERT INTO ${this.names.of(writerTable)} (id, flush, at) VALUES ($1, ${givenUp}, $2)
               ON CONFLICT (id) DO UPDATE SET flush = ${givenUp}, called = NULL`,
        values: [this.writer, String(now)],
      },
    ]);
    return current;
  }
}
