import { storeMs, unreachable } from "../../base/index.ts";
import { fencesPerEpoch } from "../epoch.ts";
import { leaseTable, metaTable, signalTable, wakeUpTable } from "../own-tables.ts";
import type { Answer, Proof } from "../request.ts";
import type { Statement, Rows } from "./connection.ts";
import { decodeValue, encodeIndexed, longColumn, longTexts } from "./encode.ts";
import { statementMs } from "./options.ts";
import type { OwnRequest } from "./segments.ts";
import type { Names } from "./sql.ts";
import { arrivalColumn, quoted } from "./sql.ts";

/**
 * A row per open store; every flush of it counts up. `called` is the epoch in whose roll call it has not answered yet, null = in none; a
 * `flush` of `givenUp` fits no writer any more. Not among the declared tables: no room writes it.
 */
export const writerTable = "store_writer";

/** In the row of a writer whose loss is accounted for, or that did not answer: whoever it was writes nothing more. */
export const givenUp = -1;

/** The node takes no longer than this between two statements of a flush; a paused one would hold up all others. */
const idleInFlushMs = 5_000;

/** Who this writer is, and what it was last told. */
export interface Standing {
  readonly writer: string;
  /** The newest flush whose commit was acknowledged; the database must still have it. */
  readonly acknowledged: number;
  /** The number of this one. */
  readonly next: number;
}

/** What a flush learns before it writes anything. */
interface Beginning {
  readonly nowMs: number;
  /** Whether the newest acknowledged flush is still there. */
  readonly isIntact: boolean;
  readonly epoch: number;
  /** The timeline under which the epoch was raised last, and the one the database is on; null = it does not say. */
  readonly knownTimeline: number | null;
  readonly timeline: number | null;
  /** null = no proof was asked for, or there is no such lease. */
  readonly fence: number | null;
}

/** Which timeline the server writes. Changes with every promotion of a standby and every restore to a point in time. */
export const timelineExpression = `('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int8`;

/** The database's clock, in milliseconds. */
export const databaseClock = "floor(extract(epoch from clock_timestamp()) * 1000)::int8";

/** Our clock's reading, where it is not null, else the database's. */
export const clockText = (wallMs: number | null): string =>
  wallMs === null ? databaseClock : `${Math.floor(wallMs)}::int8`;

/** The same, where the reading is bound. */
const clockOr = `coalesce($1::int8, ${databaseClock})`;

export type Take = Extract<OwnRequest, { kind: "take-signals" | "take-wake-ups" }>;

/** The statements about the store's own tables, all inside a flush's database transaction. */
export class OwnStatements {
  private readonly names: Names;
  readonly canReadTimeline: boolean;
  /** Whether `settings` hold in the connection already. */
  private readonly hasSettings: boolean;

  constructor(names: Names, canReadTimeline: boolean, hasSettings = false) {
    this.names = names;
    this.canReadTimeline = canReadTimeline;
    this.hasSettings = hasSettings;
  }

  /** For as long as the connection lasts, where it is ours alone: asked for with each flush they take a fifth of what an empty one does. */
  static settings(): Statement {
    return { text: settingsText(true, false) };
  }

  /** Opens the transaction and takes the store's lock, which only the end of the transaction gives back. */
  open(isSynchronous: boolean): readonly Statement[] {
    const begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
    const lock = `SELECT pg_advisory_xact_lock(hashtextextended('signalbox ${this.names.schema}', 0))`;
    return this.hasSettings
      ? [
          { text: begin, isKept: true },
          { text: lock, isKept: true },
        ]
      : [{ text: `${begin}; ${settingsText(isSynchronous, true)}; ${lock}` }];
  }

  /** `wallMs` null: the database's own clock. Time never goes back: what is told is written down. */
  begin(wallMs: number | null, standing: Standing, proof: Proof | null): Statement {
    const meta = this.names.of(metaTable.name);
    const timeline = this.canReadTimeline ? timelineExpression : "NULL::int8";
    return {
      text: `WITH t AS (UPDATE ${meta} SET value = greatest(value, ${clockOr}) WHERE name = 'storeTime' RETURNING value),
        w AS (UPDATE ${this.names.of(writerTable)} SET flush = $3, at = (SELECT value FROM t), called = NULL WHERE id = $2 AND flush = $4 RETURNING 1),
        l AS (SELECT fence FROM ${this.names.of(leaseTable.name)} WHERE name = $5 FOR SHARE)
        SELECT (SELECT value FROM t), (SELECT count(*)::int4 FROM w), (SELECT value FROM ${meta} WHERE name = 'epoch'),
        (SELECT value FROM ${meta} WHERE name = 'timeline'), ${timeline}, (SELECT fence FROM l)`,
      values: [
        wallMs === null ? null : String(Math.floor(wallMs)),
        standing.writer,
        String(standing.next),
        String(standing.acknowledged),
        proof === null ? null : encodeIndexed(proof.name),
      ],
      isKept: true,
    };
  }

  static beginning(rows: Rows): Beginning {
    const [nowMs, intact, epoch, knownTimeline, timeline, fence] = rows[0] as (number | null)[];
    return {
      nowMs: nowMs ?? 0,
      isIntact: intact === 1,
      epoch: epoch ?? 0,
      knownTimeline: knownTimeline ?? null,
      timeline: timeline ?? null,
      fence: fence ?? null,
    };
  }

  request(request: OwnRequest): Statement {
    switch (request.kind) {
      case "acquire-lease":
        return this.acquire(request.name, request.holder, request.ttlMs);
      case "renew-lease":
        return this.renew(request.lease.name, request.lease.fence, request.ttlMs);
      case "release-lease":
        return this.release(request.lease.name, request.lease.fence);
      case "take-signals":
        return this.takeSignals(request.topic, request.limit);
      case "take-wake-ups":
        return this.takeWakeUps(request.topic, request.limit);
      default:
        return unreachable(request);
    }
  }

  static answer(request: OwnRequest, rows: Rows): Answer {
    switch (request.kind) {
      case "acquire-lease": {
        const row = rows[0] as [number, number] | undefined;
        if (row === undefined) return null;
        const { name, holder } = request;
        return { name, holder, fence: row[0], expiresAt: storeMs(row[1]) };
      }
      case "renew-lease": {
        const row = rows[0] as [number] | undefined;
        return row === undefined ? null : { ...request.lease, expiresAt: storeMs(row[0]) };
      }
      case "release-lease":
        return null;
      case "take-signals":
        return rows.map(([key, payload, long]) => ({
          topic: request.topic,
          key: decodeValue("text", "key", key, long as string | null) as string,
          payload: decodeValue("text", "payload", payload, null) as string,
        }));
      case "take-wake-ups":
        return rows.map(([key, at, long]) => ({
          topic: request.topic,
          key: decodeValue("text", "key", key, long as string | null) as string,
          at: storeMs(at as number),
        }));
      default:
        return unreachable(request);
    }
  }

  /** What a poll asks outside a transaction, since most find nothing: the time, the lease, and for each take whether it would. */
  peek(takes: readonly Take[], wallMs: number | null, proof: Proof | null): readonly Statement[] {
    const wall = wallMs === null ? null : String(Math.floor(wallMs));
    const now = `greatest(${this.now()}, ${clockOr})`;
    const lease = this.names.of(leaseTable.name);
    const head: Statement = {
      text: `SELECT ${now}, (SELECT fence FROM ${lease} WHERE name = $2)`,
      values: [wall, proof === null ? null : encodeIndexed(proof.name)],
      isKept: true,
    };
    return [
      head,
      ...takes.map(({ kind, topic }): Statement => {
        const table = this.names.of(kind === "take-signals" ? signalTable.name : wakeUpTable.name);
        const named = encodeIndexed(topic);
        if (kind === "take-signals") {
          return { text: `SELECT 1 FROM ${table} WHERE topic = $1 LIMIT 1`, values: [named], isKept: true };
        }
        const text = `SELECT 1 FROM ${table} WHERE topic = $2 AND at <= ${now} LIMIT 1`;
        return { text, values: [wall, named], isKept: true };
      }),
    ];
  }

  private now(): string {
    return `(SELECT value FROM ${this.names.of(metaTable.name)} WHERE name = 'storeTime')`;
  }

  private acquire(name: string, holder: string, ttlMs: number): Statement {
    const epochFence = `(SELECT value FROM ${this.names.of(metaTable.name)} WHERE name = 'epoch') * ${fencesPerEpoch} + 1`;
    const lease = this.names.of(leaseTable.name);
    return {
      text: `INSERT INTO ${lease} AS l (name, holder, fence, "expiresAt", ${quoted(longColumn)})
        VALUES ($1, $2, ${epochFence}, ${this.now()} + $3::int8, $4::jsonb)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = greatest(l.fence + 1, excluded.fence), "expiresAt" = excluded."expiresAt"
        WHERE l.holder = excluded.holder OR l."expiresAt" <= ${this.now()} RETURNING fence, "expiresAt"`,
      values: [
        encodeIndexed(name),
        encodeIndexed(holder),
        String(ttlMs),
        longTexts(["name"], new Set(["name"]), [name]),
      ],
      isKept: true,
    };
  }

  private renew(name: string, fence: number, ttlMs: number): Statement {
    return {
      text: `UPDATE ${this.names.of(leaseTable.name)} SET "expiresAt" = ${this.now()} + $3::int8 WHERE name = $1 AND fence = $2 RETURNING "expiresAt"`,
      values: [encodeIndexed(name), String(fence), String(ttlMs)],
      isKept: true,
    };
  }

  /** The fence moves at once, so that nothing more is written under the lease that was given up. */
  private release(name: string, fence: number): Statement {
    return {
      text: `UPDATE ${this.names.of(leaseTable.name)} SET holder = '', fence = fence + 1, "expiresAt" = 0 WHERE name = $1 AND fence = $2`,
      values: [encodeIndexed(name), String(fence)],
      isKept: true,
    };
  }

  private takeSignals(topic: string, limit: number): Statement {
    const table = this.names.of(signalTable.name);
    const arrival = quoted(arrivalColumn);
    return {
      text: `WITH d AS (DELETE FROM ${table} WHERE (topic, key) IN (SELECT topic, key FROM ${table} WHERE topic = $1 ORDER BY topic, ${arrival} LIMIT $2) RETURNING key, payload, ${quoted(longColumn)} AS l, ${arrival} AS a) SELECT key, payload, l FROM d ORDER BY a`,
      values: [encodeIndexed(topic), String(limit)],
      isKept: true,
    };
  }

  private takeWakeUps(topic: string, limit: number): Statement {
    const table = this.names.of(wakeUpTable.name);
    return {
      text: `WITH d AS (DELETE FROM ${table} WHERE (topic, key) IN (SELECT topic, key FROM ${table} WHERE topic = $1 AND at <= ${this.now()} ORDER BY topic, at, key LIMIT $2) RETURNING key, at, ${quoted(longColumn)} AS l) SELECT key, at, l FROM d ORDER BY at, key`,
      values: [encodeIndexed(topic), String(limit)],
      isKept: true,
    };
  }
}

/** `isSynchronous`: the database waits for its disk (and standby) at commit unless told to. */
function settingsText(isSynchronous: boolean, isLocal: boolean): string {
  // Plans are made for arrays of rows: always by index, also where a table is still small or not analysed yet.
  const settings = {
    statement_timeout: `${statementMs}`,
    idle_in_transaction_session_timeout: `${idleInFlushMs}`,
    enable_seqscan: "off",
    enable_hashjoin: "off",
    enable_mergejoin: "off",
    ...(isSynchronous ? {} : { synchronous_commit: "on" }),
  };
  const set = Object.entries(settings).map(
    ([name, value]) => `set_config('${name}', '${value}', ${isLocal})`,
  );
  return `SELECT ${set.join(", ")}`;
}
