import type { IncomingHttpHeaders } from "node:http";
import type { Rejection } from "../classify.ts";
import { mismatch } from "../classify.ts";
import { isObject } from "../envelope.ts";
import { decodeHeaderValue } from "./headers.ts";

/** An argument that also travels as `Mcp-Param-<name>`, so that what stands between can route without reading bodies. */
export interface ParamHeader {
  /** Lower case, with the prefix: as node:http names it. */
  readonly header: string;
  /** Property names from the root of the arguments. */
  readonly path: readonly string[];
  readonly type: "string" | "integer" | "boolean";
}

/** Deeper annotations than this are left out; the deepest schema seen in the field has 16 levels. */
const depthMax = 32;

/**
 * The annotated arguments of a pinned input schema; made once per pin. A tool with an annotation that breaks the rules is one
 * that clients must not offer over HTTP, so for such a tool nothing is mirrored and nothing can be compared: [].
 */
export function paramHeadersOf(inputSchema: unknown): readonly ParamHeader[] {
  const found: ParamHeader[] = [];
  const isSound = visit(inputSchema, [], found);
  const names = new Set(found.map((each) => each.header));
  return isSound && names.size === found.length ? found : [];
}

/** Only chains of `properties` are reachable; an annotation elsewhere is not valid and mirrors nothing either. */
function visit(schema: unknown, path: readonly string[], found: ParamHeader[]): boolean {
  if (!isObject(schema) || path.length > depthMax) return true;
  const name = schema["x-mcp-header"];
  if (name !== undefined) {
    const type = schema["type"];
    const isTypeSound = type === "string" || type === "integer" || type === "boolean";
    if (path.length === 0 || typeof name !== "string" || !fieldName.test(name) || !isTypeSound) return false;
    found.push({ header: `mcp-param-${name.toLowerCase()}`, path, type });
  }
  const properties = schema["properties"];
  if (!isObject(properties)) return true;
  return Object.entries(properties).every(([key, child]) => visit(child, [...path, key], found));
}

/** RFC 9110 section 5.6.2, token; bounded by what fits into a header line. */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;

/** null = headers and arguments agree. An argument that is absent or null has no header to compare with. */
export function paramHeaderProblem(
  declared: readonly ParamHeader[],
  args: unknown,
  headers: IncomingHttpHeaders,
): Rejection | null {
  for (const { header, path, type } of declared) {
    const inBody = valueAt(args, path);
    const wanted = headerText(inBody);
    if (wanted === null) continue;
    const raw = headers[header];
    if (raw === undefined) return mismatch(header, `It is missing, the arguments have ${path.join(".")}.`);
    const value = decodeHeaderValue(String(raw));
    if (value === null)
      return mismatch(header, "It holds what no header may hold, or its Base64 form is not valid.");
    // "42.0" and 42 are the same integer (streamable-http, "Server Validation").
    const isSame =
      value === wanted || (type === "integer" && decimal.test(value) && Number(value) === inBody);
    if (!isSame) return mismatch(header, `It differs from the argument ${path.join(".")}.`);
  }
  return null;
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value: unknown = args;
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** null = no header is expected; a value of another type is left to the schema. */
function headerText(value: unknown): string | null {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

const decimal = /^-?\d{1,20}(?:\.\d{1,20})?$/;
