import { metaKeys } from "../../contract/index.ts";
import type { Profile } from "../registry/index.ts";
import type { UpstreamRequest } from "./exchange.ts";
import { isObject } from "./message.ts";

export const modernVersion = "2026-07-28";

/** Newest first; a legacy server may answer `initialize` with any of them. */
export const legacyVersions: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

export const clientName = "signalbox";

const metaPrefix = "io.modelcontextprotocol/";

/**
 * The members of `_meta` that every modern request must carry, as text, made once per connection. It ends where the capabilities of
 * the request's own caller follow.
 */
export function modernEnvelope(clientVersion: string): string {
  const envelope = JSON.stringify({
    [`${metaPrefix}protocolVersion`]: modernVersion,
    [`${metaPrefix}clientInfo`]: { name: clientName, version: clientVersion },
  });
  return `${envelope.slice(1, -1)},"${metaPrefix}clientCapabilities":`;
}

export const initializeParams = (clientVersion: string, profile: Profile): string =>
  JSON.stringify({
    protocolVersion: legacyVersions[0],
    capabilities: legacyCapabilities(profile),
    clientInfo: { name: clientName, version: clientVersion },
  });

/** What the newer era has and a connection of the older one cannot carry is not declared there. */
const modernOnly: ReadonlySet<string> = new Set(["io.modelcontextprotocol/tasks"]);

/**
 * A caller's capabilities as they are declared in `initialize`. What both eras know goes as it is; roots without `listChanged`, as no
 * change of them is told; extensions without those that need the newer era; nothing that we do not know.
 */
export function legacyCapabilities({ capabilities }: Profile): Readonly<Record<string, unknown>> {
  const declared: Record<string, unknown> = {};
  for (const name of ["elicitation", "sampling", "experimental"]) {
    if (isObject(capabilities[name])) declared[name] = capabilities[name];
  }
  if (isObject(capabilities["roots"])) declared["roots"] = {};
  const { extensions } = capabilities;
  if (isObject(extensions)) {
    const carried = Object.entries(extensions).filter(([id]) => !modernOnly.has(id));
    if (carried.length > 0) declared["extensions"] = Object.fromEntries(carried);
  }
  return declared;
}

/**
 * The JSON-RPC text of a request. The arguments go in as they are: what was digested is what is sent. `envelope` is empty for
 * legacy connections. `id` doubles as the progress token.
 */
export function requestText(id: number, request: UpstreamRequest, envelope: string): string {
  const meta = metaText(id, request, envelope);
  const params = paramsText(request, meta === "" ? "" : `"_meta":{${meta}}`, envelope !== "");
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(request.method)}${params === "" ? "" : `,"params":${params}`}}`;
}

export const notificationText = (method: string, params: string | null): string =>
  `{"jsonrpc":"2.0","method":${JSON.stringify(method)}${params === null ? "" : `,"params":${params}`}}`;

/** `given-up`: an answer would not be read any more. `advice`: it would. */
export const cancelledText = (id: number, why: "given-up" | "advice"): string =>
  notificationText("notifications/cancelled", `{"requestId":${id},"reason":"${cancelReasons[why]}"}`);

const cancelReasons = {
  "given-up": "withdrawn or out of time",
  advice: "the caller has gone; an answer is still recorded",
} as const;

function paramsText(request: UpstreamRequest, meta: string, isModern: boolean): string {
  const { name, round } = request;
  // A task's id is the request's name for `Mcp-Name` only: in the params it has a member of its own.
  if (name === null || request.method.startsWith("tasks/")) return spliceMember(request.argumentsText, meta);
  let text = request.method === "resources/read" ? `{"uri":` : `{"name":`;
  text += JSON.stringify(name);
  if (request.argumentsText !== null && request.method !== "resources/read")
    text += `,"arguments":${request.argumentsText}`;
  if (round !== null && isModern) {
    text += `,"inputResponses":${JSON.stringify(round.inputResponses)}`;
    if (round.requestState !== null) text += `,"requestState":${JSON.stringify(round.requestState)}`;
  }
  return meta === "" ? `${text}}` : `${text},${meta}}`;
}

/** For methods without a name the arguments' text is the params object itself. */
function spliceMember(objectText: string | null, member: string): string {
  if (objectText === null || objectText === "{}") return member === "" ? "" : `{${member}}`;
  return member === "" ? objectText : `${objectText.slice(0, -1)},${member}}`;
}

function metaText(id: number, request: UpstreamRequest, envelope: string): string {
  let text = envelope;
  if (envelope !== "") {
    text += request.profile.key;
    if (request.logLevel !== null) text += `,"${metaPrefix}logLevel":${JSON.stringify(request.logLevel)}`;
  }
  for (const key of Object.keys(request.meta)) {
    if (isOurs(key)) continue;
    const value = JSON.stringify(request.meta[key]);
    if (value === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${value}`;
  }
  if (request.onProgress !== null) text += `${text === "" ? "" : ","}"progressToken":${id}`;
  return text;
}

/**
 * The caller's envelope, its progress token and our own keys end here, whatever the caller of this room let through. Two of ours are
 * made for servers: by which call of ours a `verifiable` one is known, and which its verify tool is asked about.
 */
const isOurs = (key: string): boolean =>
  key === "progressToken" ||
  key.startsWith(metaPrefix) ||
  (key.startsWith("dev.signalbox/") && key !== metaKeys.call && key !== metaKeys.verifies);
