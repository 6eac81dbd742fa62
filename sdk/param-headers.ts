/** An argument that its tool wants as a header as well (MCP 2026-07-28, Streamable HTTP, `x-mcp-header`). */
export interface ParamHeader {
  readonly header: string;
  /** Property names from the root of the arguments. */
  readonly path: readonly string[];
}

/** Deeper annotations are left out, as the node leaves them out. */
const depthMax = 32;

/** Annotations are reachable through `properties` alone. That they are sound has been checked by the node that lists the tool. */
export function paramHeadersOf(schema: unknown, path: readonly string[] = []): readonly ParamHeader[] {
  if (!isObject(schema) || path.length > depthMax) return [];
  const name = schema["x-mcp-header"];
  const own = typeof name === "string" ? [{ header: `Mcp-Param-${name}`, path }] : [];
  const { properties } = schema;
  if (!isObject(properties)) return own;
  const deeper = Object.entries(properties).flatMap(([key, child]) => paramHeadersOf(child, [...path, key]));
  return [...own, ...deeper];
}

/** The headers of one call. An argument that is absent, null or no primitive has none. */
export function paramHeaderValues(declared: readonly ParamHeader[], args: unknown): Record<string, string> {
  const values: Record<string, string> = {};
  for (const { header, path } of declared) {
    let value = args;
    for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    if (typeof value === "string") values[header] = encoded(value);
    else if (typeof value === "number" || typeof value === "boolean") values[header] = String(value);
  }
  return values;
}

/** Plain ASCII as it is; anything that a header cannot carry, or could be taken for the other form, as base64 between sentinels. */
function encoded(value: string): string {
  if (plain.test(value) && !value.startsWith("=?base64?")) return value;
  const bytes = Array.from(new TextEncoder().encode(value), (byte) => String.fromCharCode(byte)).join("");
  return `=?base64?${btoa(bytes)}?=`;
}

const plain = /^[!-~](?:[\t -~]*[!-~])?$/;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
