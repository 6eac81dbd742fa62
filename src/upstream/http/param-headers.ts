import { isObject } from "../message.ts";
import { headerValue } from "./header-value.ts";

/** An argument that also travels as a header `Mcp-Param-<name>`. */
export interface ParamHeader {
  readonly header: string;
  readonly path: readonly string[];
}

const annotation = "x-mcp-header";
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;
const types: ReadonlySet<unknown> = new Set(["string", "integer", "boolean"]);
/** Keywords whose values are data, not schemas. */
const dataKeywords: ReadonlySet<string> = new Set(["enum", "const", "default", "examples"]);
/** Keywords whose members are named by the author, so the names are not keywords. */
const namedSchemas: ReadonlySet<string> = new Set([
  "patternProperties",
  "dependentSchemas",
  "$defs",
  "definitions",
]);

/**
 * The annotations of an input schema. Null = one of them breaks the rules (MCP 2026-07-28, Streamable HTTP: token, unique,
 * string, integer or boolean, reachable through `properties` alone), and a client must not offer the tool over HTTP.
 */
export function findParamHeaders(
  inputSchema: Readonly<Record<string, unknown>>,
): readonly ParamHeader[] | null {
  const found: ParamHeader[] = [];
  return collect(inputSchema, [], true, found) && areUnique(found) ? found : null;
}

function collect(
  node: unknown,
  path: readonly string[],
  isReachable: boolean,
  found: ParamHeader[],
): boolean {
  if (Array.isArray(node)) return node.every((item) => collect(item, path, false, found));
  if (!isObject(node)) return true;
  const header = node[annotation];
  if (header !== undefined) {
    if (!isReachable || path.length === 0) return false;
    if (typeof header !== "string" || !token.test(header) || !types.has(node["type"])) return false;
    found.push({ header: `Mcp-Param-${header}`, path });
  }
  for (const [keyword, value] of Object.entries(node)) {
    if (keyword === annotation || dataKeywords.has(keyword)) continue;
    if (keyword === "properties" && isObject(value)) {
      for (const [name, child] of Object.entries(value)) {
        if (!collect(child, [...path, name], isReachable, found)) return false;
      }
    } else if (namedSchemas.has(keyword) && isObject(value)) {
      if (!Object.values(value).every((child) => collect(child, path, false, found))) return false;
    } else if (!collect(value, path, false, found)) {
      return false;
    }
  }
  return true;
}

const areUnique = (found: readonly ParamHeader[]): boolean =>
  new Set(found.map((entry) => entry.header.toLowerCase())).size === found.length;

/** name, value, name, value …; absent, null and non-primitive arguments have no header. */
export function paramHeaderValues(headers: readonly ParamHeader[], argumentsText: string | null): string[] {
  const out: string[] = [];
  const args: unknown = argumentsText === null ? {} : JSON.parse(argumentsText);
  for (const { header, path } of headers) {
    let value: unknown = args;
    for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    if (typeof value === "string") out.push(header, headerValue(value));
    else if (typeof value === "boolean" || Number.isSafeInteger(value)) out.push(header, String(value));
  }
  return out;
}
