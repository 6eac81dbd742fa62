import pg from "pg";
import { Fault, delay, systemClock } from "../../base/index.ts";
import { checkLimit, keyNamed, listPlan, textAfterPrefix } from "../check.ts";
import type { ListOptions, Logged, LogOptions } from "../store.ts";
import type { Columns, KeyedTable, LogTable, Row, RowOf, Table, Value } from "../table.ts";
import { valuesOf } from "../transaction.ts";
import { arrayOf, ordinals } from "./array.ts";
import type { Parameter, Rows } from "./connection.ts";
import { types } from "./connection.ts";
import { decodeValue, encodeIndexed } from "./encode.ts";
import { isGone, isServerGoing, sqlState } from "./failure.ts";
import { GatheredGets } from "./gathered-gets.ts";
import type { PostgresConnection } from "./options.ts";
import { clientConfig, hasSession, readConnectionsDefault, statementMs } from "./options.ts";
import { columnsOf } from "./schema.ts";
import type { Names } from "./sql.ts";
import {
  byIdStatement,
  getManyStatement,
  getStatement,
  listStatement,
  logStatement,
  scanStatement,
} from "./sql.ts";

/** Reads that wait for a connection: at 10,000 a second they are served within a second. */
const waitingMax = 8_192;
/** Between two looks whether anybody still waits for a connection of a pool that is left. */
const leaveAgainMs = 20;

/**
 * Reads over a small pool. Each is part of one statement, so it sees everything committed before it began. What the data does not have
 * yet (it is of the version before) reads as empty.
 */
export class Reader {
  private readonly options: PostgresConnection;
  private pool: pg.Pool;
  /** Of pools that were left: each ends when its last read has been answered. */
  private readonly leaving = new Set<Promise<void>>();
  private readonly names: Names;
  private readonly canKeep: boolean;
  private readonly statements = new Map<string, { text: string; name: string; columns: number }>();
  private statementsMade = 0;
  private readonly gets = new Map<string, GatheredGets>();
  private readonly present = new Map<string, Promise<ReadonlySet<string>>>();
  /** Where every read goes once the reader holds a moment. */
  private held: pg.PoolClient | null = null;

  constructor(options: PostgresConnection, names: Names) {
    this.options = options;
    this.names = names;
    this.canKeep = hasSession(options);
    this.pool = this.newPool();
  }

  /**
   * From here on reads go over new connections: the address leads to another server now, and the old one may still answer. What it was asked
   * before, it answers.
   */
  renew(): void {
    const old = this.pool;
    this.pool = this.newPool();
    const left = leave(old).finally(() => this.leaving.delete(left));
    this.leaving.add(left);
  }

  /** From here on every read sees what is committed now, until the reader is closed. */
  async hold(): Promise<void> {
    const client = await this.pool.connect();
    this.held = client;
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    // The moment is that of the first statement. Whoever reads slowly is not to be cut off.
    await client.query("SELECT set_config('idle_in_transaction_session_timeout', '0', true)");
  }

  async close(): Promise<void> {
    this.held?.release(true);
    this.held = null;
    await Promise.all([this.pool.end(), ...this.leaving]);
  }

  private newPool(): pg.Pool {
    const pool = new pg.Pool({
      ...clientConfig(this.options),
      types,
      max: this.options.readConnections ?? readConnectionsDefault,
      ...(this.canKeep ? { statement_timeout: statementMs } : {}),
    });
    // A connection that ends while idle is replaced when the next read comes; one that ends while it is closed is no news.
    pool.on("error", () => {});
    pool.on("connect", (client) => client.on("error", () => {}));
    return pool;
  }

  async get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null> {
    const name = keyNamed(table, key as Row);
    const columns = name === "key" ? table.key : (table.unique[name] ?? []);
    const values = valuesOf(key as Row, columns);
    if (values.includes(null)) return null;
    const wanted = Object.keys(table.columns);
    const row = await this.gathered(table, name, wanted, columns).get(values.map(encodedKey));
    return (row === null ? null : rowOf(table, wanted, row)) as RowOf<C> | null;
  }

  async list<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): Promise<readonly RowOf<C>[]> {
    const plan = listPlan(table, options);
    const { after, from, upTo } = options;
    const equals = valuesOf((options.equals ?? {}) as Row, plan.prefix);
    const bounds = {
      nulls: equals.map((value) => value === null),
      after: after !== undefined,
      from: from !== undefined,
      upTo: upTo !== undefined,
      isDescending: options.order === "descending",
    };
    const given = [...equals, after ?? null, from ?? null, upTo ?? null].filter((value) => value !== null);
    const rows = await this.read(
      table,
      Object.keys(table.columns),
      `list ${options.index} ${Object.values(bounds).join(" ")}`,
      (present) => listStatement(this.names, table, plan, bounds, present),
      [...given.map(bound), String(options.limit)],
    );
    return rows as readonly RowOf<C>[];
  }

  async getLogged<C extends Columns>(table: LogTable<C>, id: string): Promise<Logged<RowOf<C>> | null> {
    const wanted = [...Object.keys(table.columns), "cursor"];
    const row = await this.gathered(table, "id", wanted, [table.id]).get([encodedKey(id)]);
    return (row === null ? null : rowOf(table, wanted, row)) as Logged<RowOf<C>> | null;
  }

  async listById<C extends Columns>(
    table: LogTable<C>,
    prefix: string,
    limit: number,
  ): Promise<readonly Logged<RowOf<C>>[]> {
    checkLimit(limit);
    const below = textAfterPrefix(prefix);
    const rows = await this.read(
      table,
      [...Object.keys(table.columns), "cursor"],
      `ids ${below !== null}`,
      (present) => byIdStatement(this.names, table, below !== null, present),
      [bound(prefix), ...(below === null ? [] : [bound(below)]), String(limit)],
    );
    return rows as readonly Logged<RowOf<C>>[];
  }

  async listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    table: LogTable<C>,
    options: LogOptions<K>,
  ): Promise<readonly Logged<Pick<RowOf<C>, K>>[]> {
    checkLimit(options.limit);
    const { partition, after, limit, columns = Object.keys(table.columns) } = options;
    const isDescending = options.order === "descending";
    const rows = await this.read(
      table,
      [...columns, "cursor"],
      `log ${isDescending} ${after !== undefined} ${columns.join()}`,
      (present) => logStatement(this.names, table, columns, isDescending, after !== undefined, present),
      [bound(partition), ...(after === undefined ? [] : [bound(after)]), String(limit)],
    );
    return rows as readonly Logged<Pick<RowOf<C>, K>>[];
  }

  async scanLog(
    table: LogTable,
    { after, limit }: { after: number; limit: number },
  ): Promise<readonly Row[]> {
    checkLimit(limit);
    return this.read(
      table,
      [...Object.keys(table.columns), "cursor"],
      "scan",
      (present) => scanStatement(this.names, table, present),
      [bound(after), String(limit)],
    );
  }

  private gathered(
    table: Table,
    way: string,
    wanted: readonly string[],
    key: readonly string[],
  ): GatheredGets {
    const full = `${table.name} ${way}`;
    let gets = this.gets.get(full);
    if (gets === undefined) {
      gets = new GatheredGets((keys) => this.getMany(table, way, wanted, key, keys));
      this.gets.set(full, gets);
    }
    if (gets.waitingCount >= waitingMax) throw tooMany(gets.waitingCount);
    return gets;
  }

  private async getMany(
    table: Table,
    way: string,
    wanted: readonly string[],
    key: readonly string[],
    keys: readonly (readonly Value[])[],
  ): Promise<(Rows[number] | null)[]> {
    const [only] = keys;
    if (keys.length === 1 && only !== undefined) {
      const one = (present: ReadonlySet<string>) => getStatement(this.names, table, wanted, key, present);
      return [(await this.rows(table, `get ${way}`, one, only.map(parameterOf)))[0] ?? null];
    }
    const many = (present: ReadonlySet<string>) => getManyStatement(this.names, table, wanted, key, present);
    const arrays = key.map((column, i) =>
      arrayOf(
        table.columns[column]?.type ?? "text",
        keys.map((values) => values[i] ?? null),
      ),
    );
    const found: (Rows[number] | null)[] = keys.map(() => null);
    for (const [ordinal, ...row] of await this.rows(table, `many ${way}`, many, [
      ordinals(keys.length),
      ...arrays,
    ]))
      found[(ordinal as number) - 1] = row;
    return found;
  }

  private async read(
    table: Table,
    wanted: readonly string[],
    way: string,
    sql: (present: ReadonlySet<string>) => string,
    values: readonly Parameter[],
  ): Promise<readonly Row[]> {
    return (await this.rows(table, way, sql, values)).map((row) => rowOf(table, wanted, row));
  }

  /** As they came. */
  private async rows(
    table: Table,
    way: string,
    sql: (present: ReadonlySet<string>) => string,
    values: readonly Parameter[],
  ): Promise<Rows> {
    if (this.pool.waitingCount >= waitingMax) throw tooMany(this.pool.waitingCount);
    const full = `${table.name} ${way}`;
    for (;;) {
      let statement = this.statements.get(full);
      try {
        if (statement === undefined) {
          const present = await this.columnsPresent(table.name);
          if (present.size === 0) return [];
          // Somebody else may have asked in the same way meanwhile; a name must never come to mean two texts.
          const made = { text: sql(present), name: `r${this.statementsMade++}`, columns: present.size };
          statement = this.statements.get(full) ?? made;
          this.statements.set(full, statement);
        }
        return await this.query(statement, values);
      } catch (thrown) {
        // What was given up is removed while we read: asked again, without.
        if (isGone(thrown) && (await this.hasShrunk(table.name, statement?.columns ?? 0))) continue;
        throw new Fault("store-unavailable", `reading ${table.name} failed`, {
          effect: "none",
          cause: thrown,
          evidence: { sqlState: sqlState(thrown) },
        });
      }
    }
  }

  /** Whether the table has fewer columns than it had, as far as whoever reads may know: who holds a moment reads on as it was. */
  private async hasShrunk(table: string, before: number): Promise<boolean> {
    if (this.held !== null) return false;
    this.statements.clear();
    this.present.delete(table);
    const now = await this.columnsPresent(table).catch(() => null);
    return now !== null && now.size < before;
  }

  /** Asked again once when the connection was gone: after a restart of the database every pooled one is. */
  private async query(
    statement: { text: string; name?: string },
    values: readonly Parameter[],
  ): Promise<Rows> {
    const name = this.canKeep && statement.name !== undefined ? { name: statement.name } : {};
    const ask = async (): Promise<Rows> => {
      const query = { text: statement.text, values: values as unknown[], rowMode: "array" as const, ...name };
      return (await (this.held ?? this.pool).query(query)).rows as Rows;
    };
    // Another connection would see another moment.
    if (this.held !== null) return ask();
    try {
      return await ask();
    } catch (thrown) {
      if (sqlState(thrown) !== "" && !isServerGoing(thrown)) throw thrown;
      return ask();
    }
  }

  /** Asked once by all who want to know at the same moment; again later, where a table is missing or could not be looked at. */
  private columnsPresent(table: string): Promise<ReadonlySet<string>> {
    const known = this.present.get(table);
    if (known !== undefined) return known;
    const rows = (text: string, values: readonly Parameter[] = []) => this.query({ text }, values);
    const asked = columnsOf({ rows }, this.names, table);
    this.present.set(table, asked);
    const forget = () => this.present.delete(table);
    asked.then(({ size }) => (size === 0 ? forget() : undefined), forget);
    return asked;
  }
}

/** A pool that is told to end forgets those who wait for one of its connections, and tells nobody when there are none any more. */
async function leave(pool: pg.Pool): Promise<void> {
  while (pool.waitingCount > 0) await delay(systemClock, leaveAgainMs);
  await pool.end();
}

function rowOf(table: Table, wanted: readonly string[], given: Rows[number]): Row {
  const long = (given[wanted.length] ?? null) as string | null;
  const row: Record<string, Value> = {};
  for (const [i, column] of wanted.entries())
    row[column] = decodeValue(table.columns[column]?.type ?? "integer", column, given[i], long);
  return row;
}

const tooMany = (waiting: number): Fault =>
  new Fault("store-busy", `${waiting} reads wait; at most ${waitingMax}`);

/** Keys, prefixes and bounds are of indexed columns all. */
const encodedKey = (value: Value): Value => (typeof value === "string" ? encodeIndexed(value) : value);
const bound = (value: Value): Parameter => parameterOf(encodedKey(value));

function parameterOf(value: Value): Parameter {
  if (typeof value === "number") return String(value);
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}
