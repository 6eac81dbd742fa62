import { frozenCopy, jsonProblem } from "./json-bounds.ts";
import type { ToolDefinition } from "./records.ts";

/** Three times the largest catalogue of one server seen in the field (azure with `--mode all`: 235) is far below; MCP has no bound. */
export const toolsPerServerMax = 2_000;
/** MCP says 1-128; UTF-16 code units here. */
const toolNameMax = 128;
export const titleMax = 1_024;
/** Ten times the longest description seen; anything beyond would fill a model's context with one tool. */
export const descriptionBytesMax = 65_536;
/** The largest schema seen is about 12 KB. */
export const schemaBytesMax = 262_144;
const annotationsBytesMax = 16_384;
export const restBytesMax = 65_536;
/** As for requests: four times the deepest schema seen. */
export const definitionBounds = { depthMax: 64, valuesMax: 20_000 } as const;

/** `name` is null when there is none to tell. */
export interface RefusedDefinition {
  readonly name: string | null;
  readonly reason: string;
}

export type ParsedDefinition =
  | { readonly ok: true; readonly definition: ToolDefinition }
  | { readonly ok: false; readonly refused: RefusedDefinition };

/** What a server said about one tool, checked and copied. Never throws, whatever it is given. */
export function parseDefinition(said: unknown): ParsedDefinition {
  if (!isObject(said)) return no(null, "a tool's definition must be an object");
  const name = said["name"];
  if (typeof name !== "string") return no(null, "a tool has no name");
  const nameProblem = problemOfName("tool", name);
  if (nameProblem !== null) return no(printable(name), nameProblem);
  const problem = jsonProblem(said, definitionBounds);
  if (problem !== null) return no(name, `the definition cannot be accepted: ${problem}`);

  const { title, description, inputSchema, outputSchema, annotations } = said;
  const reason =
    problemOfText("title", title, titleMax) ??
    problemOfText("description", description, descriptionBytesMax) ??
    problemOfSchema("inputSchema", inputSchema, true) ??
    problemOfSchema("outputSchema", outputSchema, false) ??
    problemOfPart("annotations", annotations, annotationsBytesMax);
  if (reason !== null) return no(name, reason);
  const rest = Object.fromEntries(Object.entries(said).filter(([key]) => !ownFields.has(key)));
  const restBytes = bytesOf(rest);
  if (restBytes > restBytesMax) {
    return no(name, `its other fields are ${restBytes} bytes; ${restBytesMax} are allowed`);
  }
  // Checked field by field above; null is how some servers write "absent".
  const definition = frozenCopy({
    name,
    ...present({ title, description, inputSchema, outputSchema, annotations }),
    rest,
  }) as unknown as ToolDefinition;
  return { ok: true, definition };
}

const ownFields = new Set(["name", "title", "description", "inputSchema", "outputSchema", "annotations"]);

export function problemOfName(what: "tool" | "prompt", name: string): string | null {
  if (name.length === 0) return `a ${what}'s name is empty`;
  if (name.length > toolNameMax) {
    return `the name has ${name.length} characters; ${toolNameMax} are allowed`;
  }
  if (!name.isWellFormed()) return "the name contains a lone surrogate";
  if (/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(name)) return "the name contains control characters";
  // A tool's id is `<server id>/<name>`, and nothing may stand in for another by trimming.
  if (name.trim() !== name) return "the name begins or ends with a blank";
  return null;
}

export function problemOfText(field: string, value: unknown, bytesMax: number): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") return `${field} must be text`;
  const bytes = Buffer.byteLength(value);
  return bytes > bytesMax ? `${field} is ${bytes} bytes; ${bytesMax} are allowed` : null;
}

function problemOfSchema(field: string, value: unknown, required: boolean): string | null {
  if ((value === undefined || value === null) && !required) return null;
  if (!isObject(value)) return `${field} must be a JSON Schema object`;
  // MCP requires an input schema of type "object"; one that says anything else would refuse every call.
  if (required && value["type"] !== undefined && value["type"] !== "object") {
    return `${field} must describe an object`;
  }
  return problemOfPart(field, value, schemaBytesMax);
}

function problemOfPart(field: string, value: unknown, bytesMax: number): string | null {
  if (value === undefined || value === null) return null;
  if (!isObject(value)) return `${field} must be an object`;
  const bytes = bytesOf(value);
  return bytes > bytesMax ? `${field} is ${bytes} bytes; ${bytesMax} are allowed` : null;
}

const no = (name: string | null, reason: string): ParsedDefinition => ({
  ok: false,
  refused: { name, reason },
});

/** A name for a report that a terminal can bear. */
export const printable = (name: string): string =>
  name
    .slice(0, 60)
    .toWellFormed()
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");

export const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

const present = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
