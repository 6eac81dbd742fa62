import type { Refusal } from "../../contract/index.ts";
import type { Result, WallMs } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Change, Store, Write } from "../store/index.ts";
import { remove } from "../store/index.ts";
import type { ServerShelf } from "./catalogue.ts";
import type { ToolEntry } from "./entries.ts";
import { updateTool } from "./entries.ts";
import { deepFreeze } from "./json-bounds.ts";
import type { Pin, ToolClass } from "./records.ts";
import { definitionTable, toolTable } from "./tables.ts";
import { classProblem, effectClass } from "./tool-class.ts";

/** `classReset` says why the class no longer fits the approved definition, so that the tool is `effect` again; null = it fits. */
export interface ApprovedPin {
  readonly pin: Pin;
  readonly replaced: Pin;
  readonly class: ToolClass;
  readonly classReset: string | null;
}

/** The person approves the definition with this pin and no other: if the server has changed its mind meanwhile, it is a conflict. */
export function approvePin(
  shelf: ServerShelf,
  old: ToolEntry,
  pin: Pin,
  now: WallMs,
  put: (entry: ToolEntry) => void,
): Result<Change<ApprovedPin>> {
  if (old.state.kind !== "quarantined") {
    return conflict(`The tool "${old.name}" has no changed definition that waits for review.`, {
      state: old.state.kind,
    });
  }
  if (old.state.offeredPin !== pin) {
    return conflict(`The definition of "${old.name}" has changed again since it was shown. Review it anew.`, {
      offered: old.state.offeredPin,
      approved: pin,
    });
  }
  const definition = old.state.offered;
  const classReset = classProblem(old.class, definition, (tool) => shelf.tools.has(tool));
  const entry = deepFreeze<ToolEntry>({
    ...old,
    pin,
    definition,
    class: classReset === null ? old.class : effectClass,
    state: { kind: "live" },
    since: now,
    rowVersion: old.rowVersion + 1,
  });
  return ok({
    writes: [updateTool(shelf.entry.record.tenant, shelf.entry.record.id, old, entry)],
    value: { pin, replaced: old.pin, class: entry.class, classReset },
    applied: () => put(entry),
  });
}

export function setClass(
  shelf: ServerShelf,
  old: ToolEntry,
  toolClass: ToolClass,
  put: (entry: ToolEntry) => void,
): Result<Change<ToolClass>> {
  const { record, settings } = shelf.entry;
  if (record.origin === "file" && Object.hasOwn(settings.toolClasses, old.name)) {
    return conflict(`The class of "${old.name}" is set by the configuration file.`, {});
  }
  const problem = classProblem(toolClass, old.definition, (tool) => shelf.tools.has(tool));
  if (problem !== null) {
    return refuse({
      code: "invalid-params",
      detail: `"${old.name}" cannot be ${toolClass.kind}: ${problem}.`,
      evidence: { class: toolClass },
    });
  }
  const entry = deepFreeze<ToolEntry>({ ...old, class: { ...toolClass }, rowVersion: old.rowVersion + 1 });
  return ok({
    writes: [updateTool(record.tenant, record.id, old, entry)],
    value: entry.class,
    applied: () => put(entry),
  });
}

/** Drops a tool that is gone, with every definition kept of it. Offered again, it is a tool seen for the first time. */
export async function forgetTool(
  store: Store,
  shelf: ServerShelf,
  old: ToolEntry,
  drop: () => void,
): Promise<Result<Change<{ readonly since: WallMs }>>> {
  if (old.state.kind !== "gone") {
    return conflict(`The tool "${old.name}" is still offered; only one that is gone can be forgotten.`, {
      state: old.state.kind,
    });
  }
  const key = { server: shelf.entry.record.id, name: old.name };
  const rows = await store.list(definitionTable, {
    index: "key",
    equals: { server: key.server, tool: key.name },
    limit: 256,
  });
  const writes: Write[] = rows.map(({ server, tool, pin }) => remove(definitionTable, { server, tool, pin }));
  writes.push(remove(toolTable, key, { row_version: old.rowVersion }));
  return ok({ writes, value: { since: old.since }, applied: drop });
}

const conflict = (detail: string, evidence: Refusal["evidence"] & object): Result<never> =>
  refuse<Refusal>({ code: "conflict", detail, evidence });
