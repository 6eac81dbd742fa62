import type { UpstreamRequest } from "./exchange.ts";

export const modernVersion = "2026-07-28";

/** Newest first; a legacy server may answer `initialize` with any of them. */
export const legacyVersions: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

export const clientName = "signalbox";

/** The members of `_meta` that every modern request must carry, as text, made once per connection. */
export function modernEnvelope(clientVersion: string): string {
  const envelope = JSON.stringify({
    "io.modelcontextprotocol/protocolVersion": modernVersion,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: clientName, version: clientVersion },
  });
  return envelope.slice(1, -1);
}

export const initializeParams = (clientVersion: string): string =>
  JSON.stringify({
    protocolVersion: legacyVersions[0],
    capabilities: {},
    clientInfo: { name: clientName, version: clientVersion },
  });

/**
 * The JSON-RPC text of a request. The arguments go in as they are: what was digested is what is sent. `envelope` is empty for
 * legacy connections. `id` doubles as the progress token.
 */
export function requestText(id: number, request: UpstreamRequest, envelope: string): string {
  const meta = metaText(id, request, envelope);
  const params = paramsText(request, meta);
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

function paramsText(request: UpstreamRequest, meta: string): string {
  const metaMember = meta === "" ? "" : `"_meta":{${meta}}`;
  if (request.name === null) return spliceMember(request.argumentsText, metaMember);
  const name = JSON.stringify(request.name);
  const tail = metaMember === "" ? "}" : `,${metaMember}}`;
  if (request.method === "resources/read") return `{"uri":${name}${tail}`;
  const args = request.argumentsText === null ? "" : `,"arguments":${request.argumentsText}`;
  return `{"name":${name}${args}${tail}`;
}

/** For methods without a name the arguments' text is the params object itself. */
function spliceMember(objectText: string | null, member: string): string {
  if (objectText === null || objectText === "{}") return member === "" ? "" : `{${member}}`;
  return member === "" ? objectText : `${objectText.slice(0, -1)},${member}}`;
}

function metaText(id: number, request: UpstreamRequest, envelope: string): string {
  let text = envelope;
  for (const key of Object.keys(request.meta)) {
    if (isOurs(key)) continue;
    const value = JSON.stringify(request.meta[key]);
    if (value === undefined) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${value}`;
  }
  if (request.onProgress !== null) text += `${text === "" ? "" : ","}"progressToken":${id}`;
  return text;
}

/** The caller's envelope, its progress token and our own keys end here, whatever the caller of this room let through. */
const isOurs = (key: string): boolean =>
  key === "progressToken" || key.startsWith("io.modelcontextprotocol/") || key.startsWith("dev.signalbox/");
