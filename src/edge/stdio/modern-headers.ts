import { envelopeKeys, isObject } from "../envelope.ts";
import type { JsonObject } from "../envelope.ts";
import { nameSource } from "../modern/headers.ts";
import type { ParamHeader } from "../modern/param-headers.ts";

/** What HTTP wants to hear of a message of the newer era before its body (MCP 2026-07-28, streamable-http). */
export function modernHeaders(
  method: string,
  params: JsonObject,
  version: string,
  declared: readonly ParamHeader[],
): Record<string, string> {
  const headers: Record<string, string> = { "mcp-protocol-version": version, "mcp-method": method };
  const field = nameSource.get(method);
  const name = field === undefined ? undefined : params[field];
  if (typeof name === "string") headers["mcp-name"] = headerValue(name);
  for (const { header, path } of declared) {
    const value = valueAt(params["arguments"], path);
    if (typeof value === "string") headers[header] = headerValue(value);
    else if (typeof value === "number" || typeof value === "boolean") headers[header] = String(value);
  }
  return headers;
}

/** `_meta` of a request of our own, in the name of the client's: its envelope and nothing else. */
export function envelopeOf(meta: JsonObject): JsonObject {
  return Object.fromEntries(
    [envelopeKeys.protocolVersion, envelopeKeys.clientCapabilities, envelopeKeys.clientInfo]
      .filter((key) => meta[key] !== undefined)
      .map((key) => [key, meta[key]]),
  );
}

/** As it is where a header may hold it, otherwise in the form that says it is Base64. */
function headerValue(text: string): string {
  const isPlain = /^[!-~](?:[ -~]*[!-~])?$/.test(text) && !/^=\?base64\?.*\?=$/i.test(text);
  return isPlain ? text : `=?base64?${Buffer.from(text, "utf8").toString("base64")}?=`;
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value: unknown = args;
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}
