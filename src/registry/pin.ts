import { canonicalDigest } from "../base/index.ts";
import type { Pin, ToolDefinition } from "./records.ts";

/** The fields that say what a tool is: what the model reads and what we validate with. The rest is decoration. */
export const pinnedFields = [
  "name",
  "title",
  "description",
  "inputSchema",
  "outputSchema",
  "annotations",
] as const satisfies readonly (keyof ToolDefinition)[];

export function pinOf(definition: ToolDefinition): Pin {
  return canonicalDigest(pick(definition, pinnedFields)) as Pin;
}

/** Equal for a tool that was only renamed. */
export function nameless(definition: ToolDefinition): string {
  return canonicalDigest(
    pick(
      definition,
      pinnedFields.filter((field) => field !== "name"),
    ),
  );
}

function pick(definition: ToolDefinition, fields: readonly (keyof ToolDefinition)[]): object {
  return Object.fromEntries(
    fields.filter((field) => definition[field] !== undefined).map((field) => [field, definition[field]]),
  );
}
