import type { TenantId } from "../identity/index.ts";
import type { Logged, Store } from "../store/index.ts";
import type { EntryRow } from "./tables.ts";
import { entryTable } from "./tables.ts";

/** Entries and payloads are some kB each, so a page stays within a few MB. */
const pageRows = 256;

/** The entries of a tenant in order of the log, read page by page. */
export class EntryStream {
  private readonly read: Pick<Store, "listLog">;
  private readonly tenant: TenantId;
  private page: readonly Logged<EntryRow>[] = [];
  private at = 0;
  private cursor: number;

  /** From behind the entry with this cursor on. */
  constructor(read: Pick<Store, "listLog">, tenant: TenantId, after = 0) {
    this.read = read;
    this.tenant = tenant;
    this.cursor = after;
  }

  /** The next rows, at most `count`; fewer only at the end of the log. */
  async take(count: number): Promise<Logged<EntryRow>[]> {
    const rows: Logged<EntryRow>[] = [];
    while (rows.length < count && (await this.fill())) {
      const part = this.page.slice(this.at, this.at + count - rows.length);
      this.at += part.length;
      rows.push(...part);
    }
    return rows;
  }

  private async fill(): Promise<boolean> {
    if (this.at < this.page.length) return true;
    this.page = await this.read.listLog(entryTable, {
      partition: this.tenant,
      after: this.cursor,
      limit: pageRows,
    });
    this.at = 0;
    this.cursor = this.page.at(-1)?.cursor ?? this.cursor;
    return this.page.length > 0;
  }
}
