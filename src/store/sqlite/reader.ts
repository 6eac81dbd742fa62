import type BetterSqlite from "better-sqlite3";
import { Fault } from "../../base/index.ts";
import { checkLimit, keyNamed, listPlan, textAfterPrefix } from "../check.ts";
import type { ListOptions, Logged, LogOptions } from "../store.ts";
import type { Columns, KeyedTable, LogTable, Row, RowOf, Table } from "../table.ts";
import { valuesOf } from "../transaction.ts";
import { sqliteCode } from "./failure.ts";
import { columnsOf } from "./schema.ts";
import { byIdStatement, listStatement, logStatement, quoted, scanStatement, selection } from "./sql.ts";

type Statement = BetterSqlite.Statement<unknown[], Row>;

/**
 * Reads on one connection. Statements are prepared once per way of asking, of which the declared tables allow only so many.
 * What the data does not have yet (it is of the version before) reads as empty.
 */
export class Reader {
  private readonly database: BetterSqlite.Database;
  private readonly statements = new Map<string, Statement>();
  private readonly present = new Map<string, ReadonlySet<string>>();

  constructor(database: BetterSqlite.Database) {
    this.database = database;
  }

  close(): void {
    this.database.close();
  }

  get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): RowOf<C> | null {
    const name = keyNamed(table, key as Row);
    const columns = name === "key" ? table.key : (table.unique[name] ?? []);
    const rows = this.rows(
      table,
      `get ${name}`,
      (present) =>
        `SELECT ${selection(Object.keys(table.columns), present)} FROM ${quoted(table.name)} WHERE ${columns.map((column) => `${quoted(column)} = ?`).join(" AND ")}`,
      valuesOf(key as Row, columns),
    );
    return (rows[0] ?? null) as RowOf<C> | null;
  }

  list<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): readonly RowOf<C>[] {
    const plan = listPlan(table, options);
    const { after, from, upTo } = options;
    const equal = valuesOf((options.equals ?? {}) as Row, plan.prefix);
    const bounds = {
      nulls: equal.map((value) => value === null),
      after: after !== undefined,
      from: from !== undefined,
      upTo: upTo !== undefined,
      isDescending: options.order === "descending",
    };
    const given = [after, from, upTo].filter((bound) => bound !== undefined);
    const rows = this.rows(
      table,
      `list ${options.index} ${plan.prefix.length} ${Object.values(bounds).join()}`,
      (present) => listStatement(table, plan, bounds, present),
      [...equal.filter((value) => value !== null), ...given, options.limit],
    );
    return rows as readonly RowOf<C>[];
  }

  getLogged<C extends Columns>(table: LogTable<C>, id: string): Logged<RowOf<C>> | null {
    const rows = this.rows(
      table,
      "get id",
      (present) =>
        `SELECT ${selection([...Object.keys(table.columns), "cursor"], present)} FROM ${quoted(table.name)} WHERE ${quoted(table.id)} = ?`,
      [id],
    );
    return (rows[0] ?? null) as Logged<RowOf<C>> | null;
  }

  listById<C extends Columns>(
    table: LogTable<C>,
    prefix: string,
    limit: number,
  ): readonly Logged<RowOf<C>>[] {
    checkLimit(limit);
    const below = textAfterPrefix(prefix);
    const rows = this.rows(
      table,
      `ids ${below !== null}`,
      (present) => byIdStatement(table, below !== null, present),
      below === null ? [prefix, limit] : [prefix, below, limit],
    );
    return rows as readonly Logged<RowOf<C>>[];
  }

  listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    table: LogTable<C>,
    options: LogOptions<K>,
  ): readonly Logged<Pick<RowOf<C>, K>>[] {
    checkLimit(options.limit);
    const { partition, after, limit, columns = Object.keys(table.columns) } = options;
    const isDescending = options.order === "descending";
    const rows = this.rows(
      table,
      `log ${isDescending} ${after !== undefined} ${columns.join()}`,
      (present) => logStatement(table, columns, isDescending, after !== undefined, present),
      after === undefined ? [partition, limit] : [partition, after, limit],
    );
    return rows as readonly Logged<Pick<RowOf<C>, K>>[];
  }

  scanLog(table: LogTable, { after, limit }: { after: number; limit: number }): readonly Row[] {
    checkLimit(limit);
    return this.rows(table, "scan", (present) => scanStatement(table, present), [after, limit]);
  }

  /** From here on every read sees what is durable now, until the reader is closed. */
  hold(): void {
    this.database.exec("BEGIN");
    // The moment is that of the first read in the transaction.
    this.database.prepare("SELECT 1 FROM sqlite_master LIMIT 1").get();
  }

  private rows(
    table: Table,
    way: string,
    sql: (present: ReadonlySet<string>) => string,
    values: readonly unknown[],
  ): readonly Row[] {
    try {
      const name = `${table.name} ${way}`;
      let statement = this.statements.get(name);
      if (statement === undefined) {
        const present = this.columnsPresent(table.name);
        if (present.size === 0) return [];
        statement = this.database.prepare<unknown[], Row>(sql(present));
        this.statements.set(name, statement);
      }
      return statement.all(values);
    } catch (thrown) {
      throw new Fault("store-unavailable", `reading ${table.name} failed`, {
        effect: "none",
        cause: thrown,
        evidence: { sqliteCode: sqliteCode(thrown) },
      });
    }
  }

  private columnsPresent(table: string): ReadonlySet<string> {
    let present = this.present.get(table);
    if (present === undefined || present.size === 0) {
      present = columnsOf(this.database, table);
      this.present.set(table, present);
    }
    return present;
  }
}
