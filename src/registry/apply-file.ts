import type { Refusal } from "../../contract/index.ts";
import type { Random, Result, Sha256Hex, WallMs } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Change, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import type { ServerShelf } from "./catalogue.ts";
import type { ToolEntry } from "./entries.ts";
import { updateTool } from "./entries.ts";
import { deepFreeze } from "./json-bounds.ts";
import { writesPerChangeMax } from "./offer.ts";
import type { ServerId, ServerRecord, ToolClass } from "./records.ts";
import type { ServerInput, ServerSettings } from "./server-input.ts";
import { serverDefaults, settingsOf } from "./server-input.ts";
import type { ServerMemory } from "./server-verbs.ts";
import { addServer, changeServer, removeServer, sameSettings } from "./server-verbs.ts";
import { appliedSectionTable } from "./tables.ts";
import { classProblem, effectClass, sameClass } from "./tool-class.ts";

/** The servers section of a configuration file. `digest` is over the section as it was parsed. */
export interface FileSection {
  readonly digest: Sha256Hex;
  readonly servers: readonly ServerInput[];
}

/** One step of applying a file; `server` is its name, null for the mark that all of it is done. */
export interface FileStep {
  readonly kind: "server-added" | "server-changed" | "server-removed" | "classes-set" | "file-applied";
  readonly server: string | null;
  readonly id: ServerId | null; // null where `server` is
  /** Classes the file declares that do not fit the tools as they are pinned. */
  readonly problems: readonly string[];
}

/**
 * What it takes to make the records of origin `file` what the file says. To be committed in order; after a crash in between the
 * digest is still the old one, so the rest follows at the next start. Empty when this digest was applied last.
 */
export type FileApplication = readonly Change<FileStep>[];

export const serversSection = "servers";

export interface FileMemory extends ServerMemory {
  readonly shelves: (tenant: TenantId) => readonly ServerShelf[];
  readonly applied: (tenant: TenantId) => string | null;
  readonly putApplied: (tenant: TenantId, digest: string) => void;
  readonly putTools: (server: ServerId, entries: readonly ToolEntry[]) => void;
}

export function planFile(
  memory: FileMemory,
  tenant: TenantId,
  section: FileSection,
  now: WallMs,
  random: Random,
): Result<FileApplication> {
  const applied = memory.applied(tenant);
  if (applied === section.digest) return ok([]);
  const wanted = new Map(section.servers.map((server) => [server.name, server]));
  if (wanted.size < section.servers.length) return conflict("The file names a server twice.");
  const shelves = memory.shelves(tenant);
  const foreign = shelves.filter(
    (shelf) => shelf.entry.record.origin === "api" && wanted.has(shelf.entry.record.name),
  );
  if (foreign.length > 0) {
    const names = foreign.map((shelf) => `"${shelf.entry.record.name}"`).join(", ");
    return conflict(
      `The file names ${names}, which was added through the API. Remove or rename one of the two.`,
    );
  }
  const changes: Change<FileStep>[] = [];
  const own = new Map(
    shelves
      .filter((shelf) => shelf.entry.record.origin === "file")
      .map((shelf) => [shelf.entry.record.name, shelf]),
  );
  for (const [name, shelf] of own) {
    if (!wanted.has(name)) {
      const removal = removeServer(memory, shelf.entry, now);
      changes.push(step(removal, "server-removed", name, shelf.entry.record.id));
    }
  }
  for (const [name, input] of wanted) {
    const shelf = own.get(name);
    const planned =
      shelf === undefined
        ? addServer(memory, tenant, input, "file", now, random)
        : changed(memory, shelf, input, now);
    if (!planned.ok) return planned;
    if (planned.value === null) continue;
    const kind = shelf === undefined ? "server-added" : "server-changed";
    changes.push(step(planned.value, kind, name, planned.value.value.id));
    if (shelf !== undefined) changes.push(...classChanges(memory, shelf, settingsOf(input)));
  }
  changes.push(mark(memory, tenant, applied, section.digest, now));
  return ok(changes);
}

function changed(
  memory: FileMemory,
  shelf: ServerShelf,
  input: ServerInput,
  now: WallMs,
): Result<Change<ServerRecord> | null> {
  // Settings left out of the file go back to their defaults, so all of them are given.
  const full = { enabled: true, era: null, toolClasses: {}, ...serverDefaults, ...input };
  const result = changeServer(memory, shelf.entry, full, now);
  if (!result.ok) return result;
  return sameSettings(shelf.entry.settings, settingsOf(full)) ? ok(null) : result;
}

/** A tool whose class the file declared and declares no more is `effect` again. */
function classChanges(
  memory: FileMemory,
  shelf: ServerShelf,
  settings: ServerSettings,
): readonly Change<FileStep>[] {
  const { tenant, id, name } = shelf.entry.record;
  const problems: string[] = [];
  const moved: { write: Write; entry: ToolEntry }[] = [];
  for (const old of shelf.tools.values()) {
    const was = classFor(shelf.entry.settings, old.name);
    const declared = classFor(settings, old.name);
    if (was === null && declared === null) continue;
    let toolClass = declared ?? effectClass;
    const problem = classProblem(toolClass, old.definition, (tool) => shelf.tools.has(tool));
    if (problem !== null) {
      problems.push(`${old.name}: ${problem}`);
      toolClass = effectClass;
    }
    if (sameClass(toolClass, old.class)) continue;
    const entry = deepFreeze<ToolEntry>({ ...old, class: { ...toolClass }, rowVersion: old.rowVersion + 1 });
    moved.push({ write: updateTool(tenant, id, old, entry), entry });
  }
  const changes: Change<FileStep>[] = [];
  for (let i = 0; i < moved.length || (i === 0 && problems.length > 0); i += writesPerChangeMax) {
    const part = moved.slice(i, i + writesPerChangeMax);
    changes.push({
      writes: part.map((move) => move.write),
      value: { kind: "classes-set", server: name, id, problems: i === 0 ? problems : [] },
      applied: () =>
        memory.putTools(
          id,
          part.map((move) => move.entry),
        ),
    });
  }
  return changes;
}

const classFor = (settings: ServerSettings, tool: string): ToolClass | null =>
  Object.hasOwn(settings.toolClasses, tool) ? (settings.toolClasses[tool] ?? null) : null;

function mark(
  memory: FileMemory,
  tenant: TenantId,
  old: string | null,
  digest: Sha256Hex,
  now: WallMs,
): Change<FileStep> {
  const key = { tenant, section: serversSection };
  const set = { digest, at: msOf(now) };
  return {
    writes: [
      old === null
        ? insert(appliedSectionTable, { ...key, ...set })
        : update(appliedSectionTable, key, set, { digest: old }),
    ],
    value: { kind: "file-applied", server: null, id: null, problems: [] },
    applied: () => memory.putApplied(tenant, digest),
  };
}

const step = (
  change: Change<unknown>,
  kind: FileStep["kind"],
  server: string,
  id: ServerId,
): Change<FileStep> => ({ ...change, value: { kind, server, id, problems: [] } });

const conflict = (detail: string): Result<never> => refuse<Refusal>({ code: "conflict", detail });
