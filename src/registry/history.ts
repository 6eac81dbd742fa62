import type { WallMs } from "../base/index.ts";
import { wallMs } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import type { Pin, ServerId, ToolDefinition } from "./records.ts";
import type { ServerSettings } from "./server-input.ts";
import { definitionTable, serverVersionTable } from "./tables.ts";

/** A definition a tool was seen with. `lastSeenAt` null = it is the one offered. */
export interface DefinitionVersion {
  readonly pin: Pin;
  readonly definition: ToolDefinition;
  readonly firstSeenAt: WallMs;
  /** When the server first offered something else, or nothing. */
  readonly lastSeenAt: WallMs | null;
}

/** A server's settings as they stood from `at` on. */
export interface ServerVersion {
  readonly version: number;
  readonly change: "added" | "changed" | "removed";
  readonly origin: "file" | "api";
  readonly settings: ServerSettings;
  readonly at: WallMs;
}

/** Oldest first. A tool has at most 33 of them. */
export async function definitionsOf(
  store: Store,
  server: ServerId,
  tool: string,
): Promise<readonly DefinitionVersion[]> {
  const rows = await store.list(definitionTable, { index: "key", equals: { server, tool }, limit: 256 });
  return rows
    .toSorted((a, b) => a.first_seen_at - b.first_seen_at)
    .map((row) => ({
      pin: row.pin as Pin,
      definition: JSON.parse(row.definition) as ToolDefinition,
      firstSeenAt: wallMs(row.first_seen_at),
      lastSeenAt: row.last_seen_at === null ? null : wallMs(row.last_seen_at),
    }));
}

/** Newest first; page with the last version as `before`. Answers for removed servers too. */
export async function versionsOf(
  store: Store,
  server: ServerId,
  limit: number,
  before?: number,
): Promise<readonly ServerVersion[]> {
  const rows = await store.list(serverVersionTable, {
    index: "key",
    equals: { server },
    order: "descending",
    limit,
    ...(before === undefined ? {} : { upTo: before - 1 }),
  });
  return rows.map((row) => {
    const record = JSON.parse(row.record) as Pick<ServerVersion, "origin" | "settings">;
    return {
      version: row.version,
      change: row.change as ServerVersion["change"],
      origin: record.origin,
      settings: record.settings,
      at: wallMs(row.at),
    };
  });
}
