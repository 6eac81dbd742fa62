import type { Store } from "../store/index.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ServerEntry, ToolEntry, ToolRow } from "./entries.ts";
import { serverFromRow, toolFromRow } from "./entries.ts";
import { pages, pageRows } from "./load.ts";
import type { ServerId } from "./records.ts";
import { serverTable, toolTable } from "./tables.ts";

/** What differs between the store and this node's memory of a server. */
export interface Differences {
  /** null = its record is known as it stands; "gone" = it was removed. */
  readonly server: ServerEntry | "gone" | null;
  readonly tools: readonly ToolEntry[];
  readonly dropped: readonly string[];
}

/**
 * Compares a server and its tools with what is durable. A record of a higher version than ours is news; an equal one is ours, and a
 * lower one was read before we changed it ourselves. What came or went here while we read is left alone: its own change follows in
 * the log.
 */
export async function differences(
  store: Pick<Store, "get" | "list">,
  catalogue: Catalogue,
  id: ServerId,
): Promise<Differences> {
  const before = catalogue.shelf(id);
  const known = new Map(before?.tools);
  const row = await store.get(serverTable, { id });
  if (row === null) return nothing;
  if (row.name_key === null) return before === null ? nothing : { ...nothing, server: "gone" };
  const found = new Map<string, ToolEntry>();
  const rows = pages<ToolRow>(
    (after) => store.list(toolTable, { index: "key", equals: { server: id }, limit: pageRows, ...after }),
    (tool) => tool.name,
  );
  for await (const tool of rows) {
    const ours = known.get(tool.name);
    if (ours === undefined || ours.rowVersion < tool.row_version) found.set(tool.name, toolFromRow(tool));
    known.delete(tool.name);
  }
  const now = catalogue.shelf(id);
  if (before !== null && now === null) return nothing;
  return {
    server: now === null || now.entry.rowVersion < row.row_version ? serverFromRow(row) : null,
    tools: [...found.values()].filter(
      (tool) => (now?.tools.get(tool.name)?.rowVersion ?? 0) < tool.rowVersion,
    ),
    dropped: [...known].filter(([name, tool]) => now?.tools.get(name) === tool).map(([name]) => name),
  };
}

const nothing: Differences = { server: null, tools: [], dropped: [] };
