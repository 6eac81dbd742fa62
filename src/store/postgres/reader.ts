import pg from "pg";
import { Fault } from "../../base/index.ts";
import { checkLimit, keyNamed, listPlan, textAfterPrefix } from "../check.ts";
import type { ListOptions, Logged, LogOptions } from "../store.ts";
import type { Columns, KeyedTable, LogTable, Row, RowOf, Table, Value } from "../table.ts";
import { valuesOf } from "../transaction.ts";
import type { Parameter, Rows } from "./connection.ts";
import { types } from "./connection.ts";
import { decodeValue, encodeIndexed } from "./encode.ts";
import { isServerGoing, sqlState } from "./failure.ts";
import type { PostgresConnection } from "./options.ts";
import { clientConfig, hasSession, readConnectionsDefault, statementMs } from "./options.ts";
import { columnsOf } from "./schema.ts";
import type { Names } from "./sql.ts";
import { byIdStatement, getStatement, listStatement, logStatement, scanStatement } from "./sql.ts";

/** Reads that wait for a connection: at 10,000 a second they are served within a second. */
const waitingMax = 8_192;

/**
 * Reads over a small pool. Each is one statement, so it sees everything committed before it began. What the data does not have
 * yet (it is of the version before) reads as empty.
 */
export class Reader {
  private readonly pool: pg.Pool;
  private readonly names: Names;
  private readonly canKeep: boolean;
  private readonly statements = new Map<string, { text: string; name: string }>();
  private readonly present = new Map<string, ReadonlySet<string>>();
  /** Where every read goes once the reader holds a moment. */
  private held: pg.PoolClient | null = null;

  constructor(options: PostgresConnection, names: Names) {
    this.names = names;
    this.canKeep = hasSession(options);
    this.pool = new pg.Pool({
      ...clientConfig(options),
      types,
      max: options.readConnections ?? readConnectionsDefault,
      ...(this.canKeep ? { statement_timeout: statementMs } : {}),
    });
    // A connection that ends while idle is replaced when the next read comes; one that ends while it is closed is no news.
    this.pool.on("error", () => {});
    this.pool.on("connect", (client) => client.on("error", () => {}));
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
    await this.pool.end();
  }

  async get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null> {
    const name = keyNamed(table, key as Row);
    const columns = name === "key" ? table.key : (table.unique[name] ?? []);
    const values = valuesOf(key as Row, columns);
    if (values.includes(null)) return null;
    const wanted = Object.keys(table.columns);
    const rows = await this.read(
      table,
      wanted,
      `get ${name}`,
      (present) => getStatement(this.names, table, wanted, columns, present),
      values.map(bound),
    );
    return (rows[0] ?? null) as RowOf<C> | null;
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
    const rows = await this.read(
      table,
      wanted,
      "get id",
      (present) => getStatement(this.names, table, wanted, [table.id], present),
      [bound(id)],
    );
    return (rows[0] ?? null) as Logged<RowOf<C>> | null;
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

  private async read(
    table: Table,
    wanted: readonly string[],
    way: string,
    sql: (present: ReadonlySet<string>) => string,
    values: readonly Parameter[],
  ): Promise<readonly Row[]> {
    if (this.pool.waitingCount >= waitingMax) {
      throw new Fault("store-busy", `${this.pool.waitingCount} reads wait; at most ${waitingMax}`);
    }
    try {
      const full = `${table.name} ${way}`;
      let statement = this.statements.get(full);
      if (statement === undefined) {
        const present = await this.columnsPresent(table.name);
        if (present.size === 0) return [];
        // Somebody else may have asked in the same way meanwhile; a name must never come to mean two texts.
        statement = this.statements.get(full) ?? { text: sql(present), name: `r${this.statements.size}` };
        this.statements.set(full, statement);
      }
      return rowsOf(table, wanted, await this.query(statement, values));
    } catch (thrown) {
      throw new Fault("store-unavailable", `reading ${table.name} failed`, {
        effect: "none",
        cause: thrown,
        evidence: { sqlState: sqlState(thrown) },
      });
    }
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

  private async columnsPresent(table: string): Promise<ReadonlySet<string>> {
    let present = this.present.get(table);
    if (present === undefined || present.size === 0) {
      const rows = (text: string, values: readonly Parameter[] = []) => this.query({ text }, values);
      present = await columnsOf({ rows }, this.names, table);
      this.present.set(table, present);
    }
    return present;
  }
}

function rowsOf(table: Table, wanted: readonly string[], rows: Rows): readonly Row[] {
  return rows.map((given) => {
    const long = (given[wanted.length] ?? null) as string | null;
    const row: Record<string, Value> = {};
    for (const [i, column] of wanted.entries()) {
      row[column] = decodeValue(table.columns[column]?.type ?? "integer", column, given[i], long);
    }
    return row;
  });
}

/** Keys, prefixes and bounds are of indexed columns all. */
function bound(value: Value): Parameter {
  if (typeof value === "string") return encodeIndexed(value);
  if (typeof value === "number") return String(value);
  return value === null ? null : Buffer.from(value);
}
