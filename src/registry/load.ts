import type { TenantId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ServerRow, ToolRow } from "./entries.ts";
import { serverFromRow, toolFromRow } from "./entries.ts";
import type { ServerId } from "./records.ts";
import { appliedSectionTable, serverTable, toolTable } from "./tables.ts";

/** Small enough that a page of the largest definitions stays below 100 MB. */
export const pageRows = 200;

/** Fills an empty catalogue with what is durable. */
export async function loadCatalogue(store: Store, catalogue: Catalogue): Promise<void> {
  for await (const row of pages<ServerRow>(
    (after) => store.list(serverTable, { index: "key", limit: pageRows, ...after }),
    (row) => row.id,
  )) {
    if (row.name_key !== null) catalogue.putServer(serverFromRow(row), false);
    if (row.name_key === null) continue;
    const server = row.id as ServerId;
    for await (const tool of pages<ToolRow>(
      (after) => store.list(toolTable, { index: "key", equals: { server }, limit: pageRows, ...after }),
      (tool) => tool.name,
    )) {
      catalogue.putTools(server, [toolFromRow(tool)], false);
    }
  }
  catalogue.rebuildAll();
}

/** null = nothing was applied yet. */
export async function appliedDigest(
  store: Pick<Store, "get">,
  tenant: TenantId,
  section: string,
): Promise<string | null> {
  return (await store.get(appliedSectionTable, { tenant, section }))?.digest ?? null;
}

/** The digest last applied per tenant, for one section. */
export async function loadApplied(store: Store, section: string): Promise<Map<TenantId, string>> {
  const applied = new Map<TenantId, string>();
  const rows = pages(
    (after) => store.list(appliedSectionTable, { index: "key", limit: pageRows, ...after }),
    (row) => row.tenant,
  );
  for await (const row of rows) {
    if (row.section === section) applied.set(row.tenant as TenantId, row.digest);
  }
  return applied;
}

export async function* pages<R>(
  read: (after: { after?: string }) => Promise<readonly R[]>,
  keyOf: (row: R) => string,
): AsyncGenerator<R> {
  for (let after: { after?: string } = {}; ;) {
    const rows = await read(after);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageRows) return;
    after = { after: keyOf(last) };
  }
}
