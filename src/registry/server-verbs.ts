import type { Refusal } from "../../contract/index.ts";
import type { Random, Result, WallMs } from "../base/index.ts";
import { msOf, newId, ok, refuse } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Change, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import type { ServerEntry } from "./entries.ts";
import { serverEntry, serverRecordText, serverRow } from "./entries.ts";
import type { Era, ServerId, ServerRecord } from "./records.ts";
import type { ServerInput, ServerSettings } from "./server-input.ts";
import { serverProblems, settingsOf } from "./server-input.ts";
import { serverTable, serverVersionTable } from "./tables.ts";

/** Ten times what a large organisation lists today; each holds up to 2,000 tools in memory. */
const serversPerTenantMax = 1_000;

/** What the verbs need from the registry's memory. */
export interface ServerMemory {
  readonly count: (tenant: TenantId) => number;
  readonly named: (tenant: TenantId, name: string) => ServerEntry | null;
  readonly put: (entry: ServerEntry) => void;
  readonly drop: (entry: ServerEntry) => void;
}

export function addServer(
  memory: ServerMemory,
  tenant: TenantId,
  input: ServerInput,
  origin: "file" | "api",
  now: WallMs,
  random: Random,
): Result<Change<ServerRecord>> {
  const settings = checked(input);
  if (!settings.ok) return settings;
  const taken = memory.named(tenant, input.name);
  if (taken !== null) return nameTaken(taken);
  if (memory.count(tenant) >= serversPerTenantMax) {
    return conflict(`There are ${serversPerTenantMax} servers already, which is the most there can be.`);
  }
  const id = newId("srv", now, random) as ServerId;
  const entry = serverEntry(tenant, id, origin, settings.value, {
    foundEra: null,
    version: 1,
    rowVersion: 1,
  });
  return ok({
    writes: [insert(serverTable, serverRow(entry, now)), history(entry, "added", now)],
    value: entry.record,
    applied: () => memory.put(entry),
  });
}

/** `patch` replaces the settings it names. A change of transport forgets the era that was found. */
export function changeServer(
  memory: ServerMemory,
  old: ServerEntry,
  patch: Partial<ServerInput>,
  now: WallMs,
): Result<Change<ServerRecord>> {
  const settings = checked({ ...old.settings, ...patch });
  if (!settings.ok) return settings;
  const taken = memory.named(old.record.tenant, settings.value.name);
  if (taken !== null && taken.record.id !== old.record.id) return nameTaken(taken);
  const sameTransport = same(old.settings.transport, settings.value.transport);
  const entry = serverEntry(old.record.tenant, old.record.id, old.record.origin, settings.value, {
    foundEra: sameTransport ? old.foundEra : null,
    version: old.record.version + 1,
    rowVersion: old.rowVersion + 1,
  });
  const { id: _, ...set } = serverRow(entry, now);
  return ok({
    writes: [
      update(serverTable, { id: entry.record.id }, set, { row_version: old.rowVersion }),
      history(entry, "changed", now),
    ],
    value: entry.record,
    applied: () => memory.put(entry),
  });
}

/** The row stays, nameless, as the owner of the history; its tools go with it. */
export function removeServer(memory: ServerMemory, old: ServerEntry, now: WallMs): Change<ServerRecord> {
  const version = old.record.version + 1;
  return {
    writes: [
      update(
        serverTable,
        { id: old.record.id },
        { name_key: null, version, row_version: old.rowVersion + 1, changed_at: msOf(now) },
        { row_version: old.rowVersion },
      ),
      insert(serverVersionTable, { ...historyRow(old, "removed", now), version }),
    ],
    value: old.record,
    applied: () => memory.drop(old),
  };
}

/** Not an administrative change: the record's version stays, so nothing that hangs on it is disturbed. */
export function rememberEra(memory: ServerMemory, old: ServerEntry, era: Era): Change<ServerRecord> {
  if (old.settings.era !== null || old.foundEra === era) {
    return { writes: [], value: old.record, applied: () => undefined };
  }
  const entry = serverEntry(old.record.tenant, old.record.id, old.record.origin, old.settings, {
    foundEra: era,
    version: old.record.version,
    rowVersion: old.rowVersion + 1,
  });
  return {
    writes: [
      update(
        serverTable,
        { id: old.record.id },
        { era, row_version: entry.rowVersion },
        { row_version: old.rowVersion },
      ),
    ],
    value: entry.record,
    applied: () => memory.put(entry),
  };
}

export const sameSettings = (a: ServerSettings, b: ServerSettings): boolean => same(a, b);

function checked(input: ServerInput): Result<ServerSettings> {
  const problems = serverProblems(input);
  if (problems.length === 0) return ok(settingsOf(input));
  const said = problems.slice(0, 20).map((problem) => `${[...problem.path].join(".")}: ${problem.message}`);
  return refuse({
    code: "invalid-params",
    detail: `The server "${input.name.slice(0, 60)}" is not acceptable: ${said.join("; ")}.`,
    evidence: { problems },
  });
}

const nameTaken = (taken: ServerEntry): Result<never> =>
  conflict(
    taken.record.origin === "file"
      ? `The configuration file has a server named "${taken.record.name}".`
      : `There is a server named "${taken.record.name}" already.`,
  );

const conflict = (detail: string): Result<never> => refuse<Refusal>({ code: "conflict", detail });

const history = (entry: ServerEntry, change: "added" | "changed", now: WallMs): Write =>
  insert(serverVersionTable, historyRow(entry, change, now));

const historyRow = (entry: ServerEntry, change: "added" | "changed" | "removed", now: WallMs) => ({
  server: entry.record.id,
  version: entry.record.version,
  tenant: entry.record.tenant,
  change,
  record: serverRecordText(entry),
  at: msOf(now),
});

/** Keys may stand in any order; everything else decides. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return (
    left.length === right.size && left.every(([key, value]) => right.has(key) && same(value, right.get(key)))
  );
}
