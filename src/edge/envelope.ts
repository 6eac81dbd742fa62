/**
 * The envelope of a modern request: what `params._meta` must say about the client (MCP 2026-07-28, basic/index). Pure checks;
 * which era a message belongs to is decided in classify.ts.
 */
import { isLogLevel } from "./log-level.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export const envelopeKeys = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
} as const;

export const isObject = (value: unknown): value is JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value);

export function metaOf(params: unknown): JsonObject | null {
  if (!isObject(params)) return null;
  const meta = params["_meta"];
  return isObject(meta) ? meta : null;
}

/** What `_meta` must be in every era, where it is there at all. null = sound. */
export function metaFormProblem(params: JsonObject): string | null {
  const meta = params["_meta"];
  if (meta === undefined) return null;
  if (!isObject(meta)) return "Its _meta must be an object.";
  const token = meta["progressToken"];
  return token === undefined || typeof token === "string" || Number.isSafeInteger(token)
    ? null
    : 'Its _meta["progressToken"] must be a string or a whole number.';
}

/** Which required keys are absent, in the order of the specification. */
export function missingKeys(meta: JsonObject | null): readonly string[] {
  const { protocolVersion, clientCapabilities } = envelopeKeys;
  if (meta === null) return [protocolVersion, clientCapabilities];
  return [protocolVersion, clientCapabilities].filter((key) => meta[key] === undefined);
}

/** null = sound. Otherwise one sentence that names the key. */
export function envelopeProblem(meta: JsonObject): string | null {
  const missing = missingKeys(meta);
  if (missing.length > 0) return `_meta is missing ${missing.join(", ")}.`;
  if (typeof meta[envelopeKeys.protocolVersion] !== "string")
    return `_meta["${envelopeKeys.protocolVersion}"] must be a string.`;
  if (!isObject(meta[envelopeKeys.clientCapabilities]))
    return `_meta["${envelopeKeys.clientCapabilities}"] must be an object.`;
  const info = meta[envelopeKeys.clientInfo];
  if (
    info !== undefined &&
    !(isObject(info) && typeof info["name"] === "string" && typeof info["version"] === "string")
  )
    return `_meta["${envelopeKeys.clientInfo}"] must be an object with name and version.`;
  const level = meta[envelopeKeys.logLevel];
  if (level !== undefined && !isLogLevel(level))
    return `_meta["${envelopeKeys.logLevel}"] must be a level such as "info".`;
  return null;
}
