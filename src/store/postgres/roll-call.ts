import { metaTable } from "../own-tables.ts";
import type { RollCall, RollCallStanding } from "../roll-call.ts";
import { Connection } from "./connection.ts";
import { unavailable } from "./failure.ts";
import type { PostgresConnection } from "./options.ts";
import { OwnStatements, clockText, givenUp, timelineExpression, writerTable } from "./own-statements.ts";
import type { Names } from "./sql.ts";
import { underStoreLock } from "./transactions.ts";

/**
 * The rows of `store_meta` about a roll call: the epoch that it is about (0 = none is on), since when, in store time, and the epoch up to
 * which something is known to be lost that is not in review yet (0 = nothing is).
 */
export const rollCallRows = "('rollCall', 0), ('rollCallSince', 0), ('rollCallLost', 0)";

/**
 * Who wrote within so long before the newest that the database still has was alive then, and has to answer. Two leases of a node: whoever
 * had been silent for longer was taken for dead, or was about to be, and is given up at once.
 */
const aliveWithinMs = 30_000;

/** What the database says of its own history. */
export interface History {
  readonly epoch: number;
  /** The timeline under which the epoch was raised last, and the one it is on; null = it does not say. */
  readonly knownTimeline: number | null;
  readonly timeline: number | null;
  readonly isCalling: boolean;
}

/** Under the store's lock. */
export async function historyOf(
  connection: Connection,
  names: Names,
  canReadTimeline: boolean,
): Promise<History> {
  const value = (name: string) => metaValue(names.of(metaTable.name), name);
  const timeline = canReadTimeline ? timelineExpression : "NULL::int8";
  const rows = await connection.rows(
    `SELECT ${value("epoch")}, ${value("timeline")}, ${timeline}, ${value("rollCall")}`,
  );
  const [epoch, known, current, calling] = (rows[0] ?? []) as (number | null)[];
  return {
    epoch: epoch ?? 0,
    knownTimeline: known ?? null,
    timeline: current ?? null,
    isCalling: (calling ?? 0) !== 0,
  };
}

/** Under the store's lock: this is the timeline that the epoch is about. */
export async function noteTimeline(connection: Connection, names: Names, timeline: number): Promise<void> {
  await connection.run([
    {
      text: `INSERT INTO ${names.of(metaTable.name)} AS m (name, value) VALUES ('timeline', $1::int8) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
      values: [String(timeline)],
    },
  ]);
}

/**
 * Under the store's lock, before anything was flushed in the new history: raises the epoch above `above`, and calls everybody who was
 * alive where that history begins. As with `raiseEpoch`, an epoch is at least the minute of its making, so that none is shared with the
 * history that is lost. Answers with the epoch.
 */
export async function callTheRoll(
  connection: Connection,
  names: Names,
  above: number,
  wallMs: number | null,
): Promise<number> {
  const meta = names.of(metaTable.name);
  const writers = names.of(writerTable);
  const now = storeNow(meta, wallMs);
  const rows = await connection.rows(`SELECT greatest($1::int8 + 1, ${now} / 60000), ${now}`, [
    String(above),
  ]);
  const [epoch, since] = rows[0] as [number, number];
  const set = (name: string, value: number) => ({
    text: `UPDATE ${meta} SET value = $2::int8 WHERE name = $1`,
    values: [name, String(value)],
  });
  await connection.run([
    set("epoch", epoch),
    set("rollCall", epoch),
    set("rollCallSince", since),
    {
      text: `UPDATE ${writers} SET called = $1::int8 WHERE flush >= 0 AND (called IS NOT NULL OR at >= ${metaValue(meta, "storeTime")} - ${aliveWithinMs})`,
      values: [String(epoch)],
    },
    { text: `UPDATE ${writers} SET flush = ${givenUp} WHERE flush >= 0 AND called IS NULL` },
  ]);
  return epoch;
}

/** Under the store's lock, while a roll call is on: something that was acknowledged is gone. */
export async function noteLoss(connection: Connection, names: Names): Promise<void> {
  const meta = names.of(metaTable.name);
  await connection.run([
    {
      text: `UPDATE ${meta} SET value = ${metaValue(meta, "epoch")} WHERE name = 'rollCallLost'`,
    },
  ]);
}

/** Each question goes over a connection of its own: roll calls are rare, and the writer's own carries flushes meanwhile. */
export class PostgresRollCall implements RollCall {
  private readonly connection: PostgresConnection;
  private readonly names: Names;
  private readonly own: OwnStatements;
  private readonly wallMs: () => number | null;

  constructor(connection: PostgresConnection, names: Names, wallMs: () => number | null) {
    this.connection = connection;
    this.names = names;
    this.own = new OwnStatements(names, false);
    this.wallMs = wallMs;
  }

  look(silentMs: number): Promise<RollCallStanding | null> {
    return this.connected(async (connection) => {
      const seen = await this.read(connection, silentMs);
      if (seen === null || !seen.isOver || seen.hasLost) return standingOf(seen);
      return underStoreLock(connection, this.own, async () => this.decide(connection, silentMs));
    });
  }

  end(epoch: number): Promise<void> {
    const meta = this.names.of(metaTable.name);
    return this.connected((connection) =>
      underStoreLock(connection, this.own, async () => {
        const values = [String(epoch)];
        await connection.run([
          { text: `UPDATE ${meta} SET value = 0 WHERE name = 'rollCallLost' AND value <= $1::int8`, values },
          { text: `UPDATE ${meta} SET value = 0 WHERE name = 'rollCall' AND value = $1::int8`, values },
        ]);
      }),
    );
  }

  private async decide(connection: Connection, silentMs: number): Promise<RollCallStanding | null> {
    const seen = await this.read(connection, silentMs);
    if (seen === null || !seen.isOver || seen.hasLost) return standingOf(seen);
    const meta = this.names.of(metaTable.name);
    if (seen.unheard === 0 && !seen.isLossKnown) {
      await connection.run([{ text: `UPDATE ${meta} SET value = 0 WHERE name = 'rollCall'` }]);
      return null;
    }
    await connection.run([
      {
        text: `UPDATE ${this.names.of(writerTable)} SET flush = ${givenUp}, called = NULL WHERE called IS NOT NULL`,
      },
    ]);
    await noteLoss(connection, this.names);
    return { epoch: seen.epoch, unheard: 0, hasLost: true };
  }

  private async read(connection: Connection, silentMs: number): Promise<Seen | null> {
    const meta = this.names.of(metaTable.name);
    const value = (name: string) => metaValue(meta, name);
    const rows = await connection.rows(
      `SELECT ${value("rollCall")}, ${value("rollCallSince")}, ${value("rollCallLost")}, ${storeNow(meta, this.wallMs())},
       (SELECT count(*)::int4 FROM ${this.names.of(writerTable)} WHERE called IS NOT NULL)`,
    );
    const [epoch = 0, since = 0, lost = 0, now = 0, unheard = 0] = (rows[0] ?? []) as number[];
    if (epoch === 0) return null;
    const isLossKnown = lost !== 0;
    const isOver = unheard === 0 || now >= since + silentMs;
    return { epoch, unheard, isOver, isLossKnown, hasLost: isLossKnown && unheard === 0 };
  }

  private async connected<T>(body: (connection: Connection) => Promise<T>): Promise<T> {
    let connection: Connection | null = null;
    try {
      connection = await Connection.open(this.connection);
      return await body(connection);
    } catch (thrown) {
      throw unavailable(thrown);
    } finally {
      await connection?.close();
    }
  }
}

interface Seen extends RollCallStanding {
  /** Everybody has answered, or has had the time to. */
  readonly isOver: boolean;
  readonly isLossKnown: boolean;
}

const standingOf = (seen: Seen | null): RollCallStanding | null =>
  seen === null ? null : { epoch: seen.epoch, unheard: seen.unheard, hasLost: seen.hasLost };

/** What a flush would be told now. */
const storeNow = (meta: string, wallMs: number | null): string =>
  `greatest(${metaValue(meta, "storeTime")}, ${clockText(wallMs)})`;

const metaValue = (meta: string, name: string): string =>
  `(SELECT value FROM ${meta} WHERE name = '${name}')`;
