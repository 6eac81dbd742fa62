import type { WallMs } from "../base/index.ts";
import { canonicalJson, msOf } from "../base/index.ts";
import type { Change, Write } from "../store/index.ts";
import { insert, remove, update } from "../store/index.ts";
import type { Catalogue, ServerShelf } from "./catalogue.ts";
import type { DefinitionDiff } from "./diff.ts";
import { diffDefinitions } from "./diff.ts";
import type { ToolEntry } from "./entries.ts";
import { toolRow, updateTool } from "./entries.ts";
import { lookalikeKey } from "./exposed-name.ts";
import { deepFreeze } from "./json-bounds.ts";
import type { RefusedDefinition } from "./parse-definition.ts";
import { parseDefinition, toolsPerServerMax } from "./parse-definition.ts";
import { nameless, pinOf } from "./pin.ts";
import type { Pin, ServerId, ToolClass, ToolDefinition, ToolState } from "./records.ts";
import { definitionTable, toolTable } from "./tables.ts";
import { classProblem, effectClass } from "./tool-class.ts";

/** A tool that was seen for the first time and pinned as it stood. */
export interface AddedTool {
  readonly name: string;
  readonly exposedName: string;
  readonly pin: Pin;
  readonly class: ToolClass;
  /** A tool that is no longer offered and differs in nothing but the name. */
  readonly renamedFrom: string | null;
  /** Why the class declared for it does not fit, so that it is `effect`. */
  readonly classProblem: string | null;
}

/** A tool whose definition is not the pinned one. */
export interface ChangedTool {
  readonly name: string;
  readonly exposedName: string;
  readonly pin: Pin;
  readonly offeredPin: Pin;
  readonly diff: DefinitionDiff;
}

export interface OfferReport {
  readonly server: ServerId;
  /** True when nothing of this server was known: its tools are trusted as an administrator has just added it. */
  readonly isFirst: boolean;
  readonly added: readonly AddedTool[];
  readonly changed: readonly ChangedTool[];
  /** Back as they were pinned, after a quarantine or an absence. */
  readonly restored: readonly string[];
  readonly gone: readonly string[];
  readonly refused: readonly RefusedDefinition[];
}

/**
 * `changes` in the order to commit them, each small enough for one transaction with a ledger entry beside it and consistent
 * alone; its value reports what is in it. Empty when the server offers what it offered before. `report` is the whole.
 */
export interface Offer {
  readonly report: OfferReport;
  readonly changes: readonly Change<OfferReport>[];
}

/** Known tools of a server, those that are gone included: a server that renames its tools each time must not fill the store. */
const knownToolsMax = 2 * toolsPerServerMax;
/** Definitions kept per tool; beyond them, one that was never approved makes room for the next. */
export const definitionsKeptMax = 32;
/** Of 512 writes in a transaction, some belong to whoever commits it. */
export const writesPerChangeMax = 480;

/** One tool's part of an offer. */
interface Step {
  readonly entry: ToolEntry;
  readonly writes: readonly Write[];
  readonly report: Partial<OfferReport>;
}

export interface OfferOptions {
  readonly catalogue: Catalogue;
  readonly shelf: ServerShelf;
  readonly definitions: readonly unknown[];
  /** The profile the list was for, as `homeOf` says it. */
  readonly home: string | null;
  /** The home of another profile whose last list names this tool; undefined = there is none. */
  readonly namedElsewhere: (tool: string) => string | null | undefined;
  readonly at: WallMs;
  /** Whether this definition of a known tool was seen before (its row exists). */
  readonly wasSeen: (tool: string, pin: Pin) => Promise<boolean>;
  /** Takes the tools into memory once they are durable. */
  readonly put: (entries: readonly ToolEntry[]) => void;
}

/**
 * What follows from a server's `tools/list`. Reads nothing but `wasSeen`; changes nothing by itself but what is shown beside a
 * definition.
 *
 * A server may list other tools, or describe them otherwise, to clients with other capabilities. Each tool has one home: the base
 * as soon as the base is offered it, before that the profile it was first offered to. Only the home's list is held against the
 * pin, so that two profiles cannot quarantine a tool for each other in turns; whoever else calls the tool is shown it as pinned.
 * A home that no longer lists a tool gives it to another profile that does; when there is none, the tool is gone.
 */
export async function planOffer(options: OfferOptions): Promise<Offer> {
  const { shelf } = options;
  const { offered, refused } = parseAll(options.definitions);
  const steps: Step[] = [];
  const redecorated = new Map<ToolEntry, ToolDefinition>();
  for (const [name, definition] of offered) {
    const known = shelf.tools.get(name);
    if (known === undefined) continue;
    const step = await stepOfKnown(options, known, definition);
    if (step !== null) steps.push(step);
    else if (isRedecorated(options, known, definition)) redecorated.set(known, definition);
  }
  for (const entry of shelf.tools.values()) {
    if (!offered.has(entry.name) && entry.state.kind !== "gone" && entry.home === options.home) {
      const other = options.namedElsewhere(entry.name);
      steps.push(other === undefined ? stepOfGone(options, entry) : stepOfMove(options, entry, other));
    }
  }
  steps.push(...stepsOfNew(options, offered, refused));
  redecorate(options, redecorated);
  return pack(options, steps, refused);
}

/** By name, in the server's order. The first of two with one name is kept. */
function parseAll(definitions: readonly unknown[]): {
  offered: Map<string, ToolDefinition>;
  refused: RefusedDefinition[];
} {
  const offered = new Map<string, ToolDefinition>();
  const refused: RefusedDefinition[] = [];
  for (const said of definitions.slice(0, toolsPerServerMax)) {
    const parsed = parseDefinition(said);
    if (!parsed.ok) refused.push(parsed.refused);
    else if (offered.has(parsed.definition.name)) {
      refused.push({ name: parsed.definition.name, reason: "the server offers two tools of this name" });
    } else offered.set(parsed.definition.name, parsed.definition);
  }
  const over = definitions.length - toolsPerServerMax;
  if (over > 0) {
    refused.push({ name: null, reason: `${over} tools beyond the ${toolsPerServerMax} that are allowed` });
  }
  return { offered, refused };
}

async function stepOfKnown(
  options: OfferOptions,
  known: ToolEntry,
  definition: ToolDefinition,
): Promise<Step | null> {
  const { home } = options;
  // The base is everyone's measure; of a tool that is gone whoever is offered it again is.
  if (known.home !== home && home !== null && known.state.kind !== "gone") return null;
  const pin = pinOf(definition);
  if (pin === known.pin) {
    if (known.state.kind === "live") return known.home === home ? null : stepOfMove(options, known, home);
    const entry = next({ ...known, home }, { kind: "live" }, options.at);
    const writes = [toolUpdate(options, known, entry), seenAgain(options, known.name, pin)];
    if (known.state.kind === "quarantined") writes.push(notSeen(options, known.name, known.state.offeredPin));
    return { entry, writes, report: { restored: [known.name] } };
  }
  if (known.state.kind === "quarantined" && known.state.offeredPin === pin) {
    return known.home === home ? null : stepOfMove(options, known, home);
  }

  const wasSeen = await options.wasSeen(known.name, pin);
  const replaced = known.state.kind === "quarantined" ? known.state.offeredPin : null;
  const isFull = !wasSeen && replaced !== null && known.definitions >= definitionsKeptMax;
  const state: ToolState = { kind: "quarantined", offered: definition, offeredPin: pin, since: options.at };
  const entry = Object.freeze({
    ...next({ ...known, home }, state, options.at),
    definitions: known.definitions + (wasSeen || isFull ? 0 : 1),
  });
  const writes = [
    toolUpdate(options, known, entry),
    wasSeen ? seenAgain(options, known.name, pin) : seenFirst(options, definition, pin),
  ];
  if (replaced === null) writes.push(notSeen(options, known.name, known.pin));
  else if (isFull) writes.push(remove(definitionTable, keyOf(options, known.name, replaced)));
  else writes.push(notSeen(options, known.name, replaced));
  const changed = {
    name: known.name,
    exposedName: options.catalogue.exposedName(options.shelf.entry, known.name),
    pin: known.pin,
    offeredPin: pin,
    diff: diffDefinitions(known.definition, definition),
  };
  return { entry, writes, report: { changed: [changed] } };
}

/** Icons, `_meta` and the like are shown as they were last offered; being no part of the pin, they are no change to put on record. */
const isRedecorated = ({ home }: OfferOptions, known: ToolEntry, { rest }: ToolDefinition): boolean =>
  known.home === home &&
  known.state.kind === "live" &&
  canonicalJson(known.definition.rest) !== canonicalJson(rest);

function redecorate(options: OfferOptions, found: ReadonlyMap<ToolEntry, ToolDefinition>): void {
  const entries = [...found]
    // Another change of the tool may have been applied while we looked something up.
    .filter(([known]) => options.shelf.tools.get(known.name) === known)
    .map(([known, { rest }]) => deepFreeze({ ...known, definition: { ...known.definition, rest } }));
  if (entries.length > 0) options.put(entries);
}

function stepOfGone(options: OfferOptions, known: ToolEntry): Step {
  const entry = next(known, { kind: "gone", since: options.at }, options.at);
  const last = known.state.kind === "quarantined" ? known.state.offeredPin : known.pin;
  return {
    entry,
    writes: [toolUpdate(options, known, entry), notSeen(options, known.name, last)],
    report: { gone: [known.name] },
  };
}

function stepOfMove(options: OfferOptions, known: ToolEntry, home: string | null): Step {
  const entry = deepFreeze<ToolEntry>({ ...known, home, rowVersion: known.rowVersion + 1 });
  return { entry, writes: [toolUpdate(options, known, entry)], report: {} };
}

function stepsOfNew(
  options: OfferOptions,
  offered: ReadonlyMap<string, ToolDefinition>,
  refused: RefusedDefinition[],
): Step[] {
  const { shelf, catalogue } = options;
  const { tenant } = shelf.entry.record;
  const fresh = [...offered.values()].filter((definition) => !shelf.tools.has(definition.name));
  if (fresh.length === 0) return [];
  const gone = new Map(
    [...shelf.tools.values()]
      .filter((entry) => !offered.has(entry.name) && entry.home === options.home)
      .map((entry) => [nameless(entry.definition), entry.name]),
  );
  const lookalikes = new Map(shelf.lookalikes);
  const exposed = new Map<string, string>();
  const steps: Step[] = [];
  for (const definition of fresh) {
    const { name } = definition;
    const exposedName = catalogue.exposedName(shelf.entry, name);
    const exposedKey = lookalikeKey(exposedName);
    const twin = lookalikes.get(lookalikeKey(name)) ?? exposed.get(exposedKey);
    const taken = twin ?? catalogue.takenBy(tenant, exposedName);
    if (taken !== null) {
      refused.push({ name, reason: `the name collides with "${taken}", which was there first` });
      continue;
    }
    if (shelf.tools.size + steps.length >= knownToolsMax) {
      refused.push({
        name,
        reason: `${knownToolsMax} tools of this server are known; forget those that are gone`,
      });
      continue;
    }
    lookalikes.set(lookalikeKey(name), name);
    exposed.set(exposedKey, name);
    steps.push(
      stepOfNew(
        options,
        definition,
        exposedName,
        gone.get(nameless(definition)) ?? null,
        (tool) => offered.has(tool) || (options.home !== null && shelf.tools.has(tool)),
      ),
    );
  }
  return steps;
}

function stepOfNew(
  options: OfferOptions,
  definition: ToolDefinition,
  exposedName: string,
  renamedFrom: string | null,
  offers: (tool: string) => boolean,
): Step {
  const { settings, record } = options.shelf.entry;
  const { name } = definition;
  const declared = Object.hasOwn(settings.toolClasses, name) ? settings.toolClasses[name] : undefined;
  const problem = declared === undefined ? null : classProblem(declared, definition, offers);
  const toolClass = declared !== undefined && problem === null ? declared : effectClass;
  const pin = pinOf(definition);
  const entry = deepFreeze<ToolEntry>({
    name,
    class: toolClass,
    pin,
    definition,
    state: { kind: "live" },
    since: options.at,
    firstSeenAt: options.at,
    definitions: 1,
    rowVersion: 1,
    home: options.home,
  });
  return {
    entry,
    writes: [
      insert(toolTable, toolRow(record.tenant, record.id, entry)),
      seenFirst(options, definition, pin),
    ],
    report: { added: [{ name, exposedName, pin, class: toolClass, renamedFrom, classProblem: problem }] },
  };
}

function pack(options: OfferOptions, steps: readonly Step[], refused: readonly RefusedDefinition[]): Offer {
  const { shelf } = options;
  const nothing: OfferReport = {
    server: shelf.entry.record.id,
    isFirst: shelf.tools.size === 0,
    added: [],
    changed: [],
    restored: [],
    gone: [],
    refused: [],
  };
  const batches: Step[][] = [];
  let writes = writesPerChangeMax;
  for (const step of steps) {
    writes += step.writes.length;
    if (writes > writesPerChangeMax) {
      batches.push([]);
      writes = step.writes.length;
    }
    batches.at(-1)?.push(step);
  }
  return {
    report: { ...sum(nothing, steps), refused },
    changes: batches.map((batch, index) => ({
      writes: batch.flatMap((step) => step.writes),
      value: { ...sum(nothing, batch), refused: index === 0 ? refused : [] },
      applied: () => options.put(batch.map((step) => step.entry)),
    })),
  };
}

const sum = (nothing: OfferReport, steps: readonly Step[]): OfferReport => ({
  ...nothing,
  added: steps.flatMap((step) => step.report.added ?? []),
  changed: steps.flatMap((step) => step.report.changed ?? []),
  restored: steps.flatMap((step) => step.report.restored ?? []),
  gone: steps.flatMap((step) => step.report.gone ?? []),
});

const next = (known: ToolEntry, state: ToolState, at: WallMs): ToolEntry =>
  deepFreeze({ ...known, state, since: at, rowVersion: known.rowVersion + 1 });

function toolUpdate(options: OfferOptions, old: ToolEntry, entry: ToolEntry): Write {
  const { tenant, id } = options.shelf.entry.record;
  return updateTool(tenant, id, old, entry);
}

const keyOf = (options: OfferOptions, tool: string, pin: Pin) => ({
  server: options.shelf.entry.record.id,
  tool,
  pin,
});

const seenFirst = (options: OfferOptions, definition: ToolDefinition, pin: Pin): Write =>
  insert(definitionTable, {
    ...keyOf(options, definition.name, pin),
    tenant: options.shelf.entry.record.tenant,
    definition: JSON.stringify(definition),
    first_seen_at: msOf(options.at),
    last_seen_at: null,
  });

const seenAgain = (options: OfferOptions, tool: string, pin: Pin): Write =>
  update(definitionTable, keyOf(options, tool, pin), { last_seen_at: null });

const notSeen = (options: OfferOptions, tool: string, pin: Pin): Write =>
  update(definitionTable, keyOf(options, tool, pin), { last_seen_at: msOf(options.at) });
