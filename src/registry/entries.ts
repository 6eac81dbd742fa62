import type { WallMs } from "../base/index.ts";
import { msOf, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { RowOf, Write } from "../store/index.ts";
import { update } from "../store/index.ts";
import { lookalikeKey } from "./exposed-name.ts";
import { deepFreeze } from "./json-bounds.ts";
import type { Era, Pin, ServerId, ServerRecord, ToolClass, ToolDefinition, ToolState } from "./records.ts";
import type { ServerSettings } from "./server-input.ts";
import type { serverTable } from "./tables.ts";
import { toolTable } from "./tables.ts";

/** A server as the registry holds it. Immutable: a change makes a new one. */
export interface ServerEntry {
  readonly record: ServerRecord;
  readonly settings: ServerSettings;
  /** What the first connection found; null when nothing was found or needed. */
  readonly foundEra: Era | null;
  readonly rowVersion: number;
}

/** A tool without its server, as the registry holds it. Immutable. */
export interface ToolEntry {
  readonly name: string;
  readonly class: ToolClass;
  readonly pin: Pin;
  readonly definition: ToolDefinition;
  readonly state: ToolState;
  /** Since when it is in this state. */
  readonly since: WallMs;
  readonly firstSeenAt: WallMs;
  /** How many different definitions were seen. */
  readonly definitions: number;
  readonly rowVersion: number;
  /**
   * The digest of the profile whose list the pin is held against; null = the base. What another profile is told about the tool
   * changes nothing, or two clients with different capabilities would quarantine it for each other.
   */
  readonly home: string | null;
}

export type ServerRow = RowOf<(typeof serverTable)["columns"]>;
export type ToolRow = RowOf<(typeof toolTable)["columns"]>;

export function serverEntry(
  tenant: TenantId,
  id: ServerId,
  origin: "file" | "api",
  settings: ServerSettings,
  state: { foundEra: Era | null; version: number; rowVersion: number },
): ServerEntry {
  const { toolClasses: _, ...shown } = settings;
  return deepFreeze({
    record: {
      tenant,
      id,
      origin,
      ...shown,
      era: settings.era ?? state.foundEra,
      version: state.version,
    },
    settings,
    foundEra: state.foundEra,
    rowVersion: state.rowVersion,
  });
}

export function serverRow(entry: ServerEntry, at: WallMs): ServerRow {
  return {
    id: entry.record.id,
    tenant: entry.record.tenant,
    name_key: entry.record.name,
    record: serverRecordText(entry),
    era: entry.foundEra,
    version: entry.record.version,
    row_version: entry.rowVersion,
    changed_at: msOf(at),
  };
}

export const serverRecordText = (entry: ServerEntry): string =>
  JSON.stringify({ origin: entry.record.origin, settings: entry.settings });

/** Rows were written by us, under the types they are read with. */
export function serverFromRow(row: ServerRow): ServerEntry {
  const { origin, settings } = JSON.parse(row.record) as {
    origin: "file" | "api";
    settings: ServerSettings;
  };
  return serverEntry(row.tenant as TenantId, row.id as ServerId, origin, settings, {
    foundEra: row.era as Era | null,
    version: row.version,
    rowVersion: row.row_version,
  });
}

export function toolRow(tenant: TenantId, server: ServerId, entry: ToolEntry): ToolRow {
  const quarantined = entry.state.kind === "quarantined" ? entry.state : null;
  return {
    server,
    name: entry.name,
    tenant,
    alias: lookalikeKey(entry.name),
    class: JSON.stringify(entry.class),
    pin: entry.pin,
    definition: JSON.stringify(entry.definition),
    state: entry.state.kind,
    offered_pin: quarantined?.offeredPin ?? null,
    offered: quarantined === null ? null : JSON.stringify(quarantined.offered),
    since: msOf(entry.since),
    first_seen_at: msOf(entry.firstSeenAt),
    definitions: entry.definitions,
    row_version: entry.rowVersion,
    home: entry.home,
  };
}

/** Guarded by the row's version: whoever computed from an older state loses. */
export function updateTool(tenant: TenantId, server: ServerId, old: ToolEntry, entry: ToolEntry): Write {
  const { server: _, name, first_seen_at: __, ...set } = toolRow(tenant, server, entry);
  return update(toolTable, { server, name }, set, { row_version: old.rowVersion });
}

export function toolFromRow(row: ToolRow): ToolEntry {
  return deepFreeze({
    name: row.name,
    class: JSON.parse(row.class) as ToolClass,
    pin: row.pin as Pin,
    definition: JSON.parse(row.definition) as ToolDefinition,
    state: stateFromRow(row),
    since: wallMs(row.since),
    firstSeenAt: wallMs(row.first_seen_at),
    definitions: row.definitions,
    rowVersion: row.row_version,
    home: row.home,
  });
}

function stateFromRow(row: ToolRow): ToolState {
  const since = wallMs(row.since);
  if (row.state === "quarantined" && row.offered !== null && row.offered_pin !== null) {
    const offered = JSON.parse(row.offered) as ToolDefinition;
    return { kind: "quarantined", offered, offeredPin: row.offered_pin as Pin, since };
  }
  return row.state === "gone" ? { kind: "gone", since } : { kind: "live" };
}
