import { invariant } from "../base/index.ts";
import { keyTables } from "../keys/index.ts";
import type {
  Columns,
  KeyedTable,
  ListOptions,
  LogOptions,
  LogTable,
  Logged,
  Row,
  RowOf,
  Store,
} from "../store/index.ts";
import { entryTable, headTable, sequenceTable, tileTable } from "./tables.ts";
import type { LedgerRead } from "./verify-tenant.ts";

type Entries = Logged<RowOf<typeof entryTable.columns>>;

/** Everything a verification reads, as plain rows that a test may change as somebody with the disk in hand could. */
export class TamperedRead implements LedgerRead {
  entries: Entries[] = [];
  readonly keyed = new Map<string, Row[]>();

  static async of(store: Store, tenant: string): Promise<TamperedRead> {
    const copy = new TamperedRead();
    copy.entries = [...(await store.listLog(entryTable, { partition: tenant, limit: 10_000 }))];
    for (const table of [sequenceTable, tileTable, headTable, ...keyTables]) {
      // Several tables, one loop: what their rows hold does not matter here.
      const any = table as unknown as KeyedTable;
      copy.keyed.set(table.name, [...(await store.list(any, { index: "key", limit: 10_000 }))]);
    }
    return copy;
  }

  copy(): TamperedRead {
    const copy = new TamperedRead();
    copy.entries = this.entries.map((row) => ({ ...row }));
    for (const [name, rows] of this.keyed)
      copy.keyed.set(
        name,
        rows.map((row) => ({ ...row })),
      );
    return copy;
  }

  rows(table: { readonly name: string }): Row[] {
    const rows = this.keyed.get(table.name);
    invariant(rows, `no table ${table.name}`);
    return rows;
  }

  async get<C extends Columns>(table: KeyedTable<C>, key: Partial<RowOf<C>>): Promise<RowOf<C> | null> {
    const found = this.rows(table).find((row) =>
      Object.entries(key).every(([name, value]) => row[name] === value),
    );
    return (found ?? null) as RowOf<C> | null;
  }

  /** Only what a verification asks for: a prefix of the key, and a bound on the column after it. */
  async list<C extends Columns>(table: KeyedTable<C>, options: ListOptions<C>): Promise<readonly RowOf<C>[]> {
    const equals = Object.entries(options.equals ?? {});
    const bounded = table.key[equals.length] ?? "";
    const rows = this.rows(table)
      .filter((row) => equals.every(([name, value]) => row[name] === value))
      .filter((row) => options.after === undefined || (row[bounded] as number) > (options.after as number))
      .toSorted((a, b) => ((a[bounded] as number) < (b[bounded] as number) ? -1 : 1));
    return rows.slice(0, options.limit) as unknown as readonly RowOf<C>[];
  }

  async getLogged<C extends Columns>(_table: LogTable<C>, id: string): Promise<Logged<RowOf<C>> | null> {
    return (this.entries.find((row) => row.id === id) ?? null) as unknown as Logged<RowOf<C>> | null;
  }

  async listLog<C extends Columns, K extends keyof C & string = keyof C & string>(
    _table: LogTable<C>,
    options: LogOptions<K>,
  ): Promise<readonly Logged<Pick<RowOf<C>, K>>[]> {
    const rows = this.entries
      .filter((row) => row.tenant === options.partition && row.cursor > (options.after ?? -1))
      .toSorted((a, b) => a.cursor - b.cursor);
    return rows.slice(0, options.limit) as unknown as readonly Logged<Pick<RowOf<C>, K>>[];
  }
}
