import type { TenantId } from "../../identity/index.ts";
import type { LedgerEntry } from "../../ledger/index.ts";
import type { House } from "../house.ts";
import type { PageRequest } from "../page.ts";
import { cursorFor } from "../page.ts";

/** Read at once: entries come with their sealed payloads, so a page of the largest stays below some hundred megabytes. */
const entriesPerRead = 50;
/** Looked through for one page of an answer, at about 10 µs each; what matches rarely is found over several pages. */
const entriesPerScanMax = 5_000;

/** The newest entries that match, and where to go on; `next` null = the log's beginning was reached. */
export async function scanEntries(
  { ledger }: Pick<House, "ledger">,
  tenant: TenantId,
  page: PageRequest,
  list: string,
  matches: (found: LedgerEntry) => boolean,
): Promise<{ readonly items: readonly LedgerEntry[]; readonly next: string | null }> {
  const items: LedgerEntry[] = [];
  let before = page.after === null ? null : Number(page.after);
  for (let scanned = 0; scanned < entriesPerScanMax;) {
    const limit = entriesPerRead;
    const found = await ledger.list(tenant, before === null ? { limit } : { limit, before });
    for (const each of found) {
      before = each.cursor;
      if (matches(each)) items.push(each);
      if (items.length === page.limit) return { items, next: cursorFor(list, String(before)) };
    }
    if (found.length < limit) return { items, next: null };
    scanned += found.length;
  }
  return { items, next: cursorFor(list, String(before)) };
}
