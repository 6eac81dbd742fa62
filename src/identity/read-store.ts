import { Fault } from "../base/index.ts";
import type { Columns, KeyedTable, LogPlace, RowOf, Store } from "../store/index.ts";
import { endOfLog, rowsBehind } from "../store/index.ts";
import type { Directory } from "./directory.ts";
import { changesPerRefreshPage, keysPerPrincipalMax, principalsMax, rowsPerLoadPage } from "./limits.ts";
import type { PrincipalId } from "./principal.ts";
import type { StoredKey } from "./records.ts";
import { keyFromRow, principalFromRow, tenantFromRow } from "./records.ts";
import { apiKeyTable, changeTable, principalTable, tenantTable } from "./tables.ts";

export const changeLog = "identity";
export const tenantSubject = (id: string): string => `tenant ${id}`;
export const principalSubject = (id: string): string => `principal ${id}`;

/** Nodes write beside each other, so the store may hold a little more than one node would let in; never much more. */
const loadSlack = 1.1;

/**
 * Fills an empty directory. Returns the place to follow changes from: it is taken first, so that what changes while we read is
 * read again.
 */
export async function loadDirectory(store: Store, directory: Directory): Promise<LogPlace> {
  const place = await endOfLog(store, changeTable, changeLog);
  const keys = new Map<PrincipalId, StoredKey[]>();
  for await (const row of allRows(store, apiKeyTable)) {
    const key = keyFromRow(row);
    const known = keys.get(key.principal);
    if (known === undefined) keys.set(key.principal, [key]);
    else known.push(key);
  }
  for await (const row of allRows(store, tenantTable)) directory.putTenant(tenantFromRow(row));
  for await (const row of allRows(store, principalTable)) {
    const record = principalFromRow(row);
    directory.put(record, keys.get(record.id) ?? []);
    if (directory.principalCount > principalsMax * loadSlack) {
      throw new Fault("config-invalid", `the store holds more principals than the ${principalsMax} allowed`);
    }
  }
  return place;
}

/** Reads again what the change log names behind `from`; returns the new place, or "forgotten": the store does not hold what was read before. */
export async function readChanges(
  store: Store,
  directory: Directory,
  from: LogPlace,
): Promise<LogPlace | "forgotten"> {
  for (let place = from; ;) {
    const limit = changesPerRefreshPage;
    const page = await rowsBehind(store, changeTable, { partition: changeLog, place, limit });
    if (page === null) return "forgotten";
    for (const subject of new Set(page.rows.map((row) => row.subject)))
      await reread(store, directory, subject);
    place = page.place;
    if (page.rows.length < limit) return place;
  }
}

async function reread(store: Store, directory: Directory, subject: string): Promise<void> {
  const space = subject.indexOf(" ");
  const id = subject.slice(space + 1);
  if (subject.startsWith("tenant ")) {
    const row = await store.get(tenantTable, { id });
    if (row !== null) directory.putTenant(tenantFromRow(row));
    return;
  }
  if (!subject.startsWith("principal ")) return; // newer code tells of something that this code has no part in
  // The principal before its keys: keys may then be newer than the version says, and the next look puts that right. The other
  // way round a revoked key could stay under a new version.
  const row = await store.get(principalTable, { id });
  if (row === null) return;
  const keys = await store.list(apiKeyTable, {
    index: "principal",
    equals: { principal: id },
    limit: keysPerPrincipalMax * 2,
  });
  directory.put(principalFromRow(row), keys.map(keyFromRow));
}

async function* allRows<
  C extends Columns & { readonly id: { readonly type: "text"; readonly nullable: false } },
>(store: Store, table: KeyedTable<C>): AsyncGenerator<RowOf<C>> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list(table, {
      index: "key",
      ...(after === undefined ? {} : { after }),
      limit: rowsPerLoadPage,
    });
    yield* page;
    if (page.length < rowsPerLoadPage) return;
    after = page.at(-1)?.["id"] as string; // a text column, says the table
  }
}
