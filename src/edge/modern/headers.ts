import type { IncomingHttpHeaders } from "node:http";
import type { ModernMessage, Rejection } from "../classify.ts";
import { mismatch, modernVersions } from "../classify.ts";

/** Which field of the body `Mcp-Name` mirrors (MCP 2026-07-28, streamable-http, "Standard Request Headers"; tasks extension). */
export const nameSource: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"],
]);

/**
 * What must hold between headers and body of a modern message, beyond what classification compared: the version is one of ours,
 * and no required header is absent. null = all holds. Header names arrive in lower case; values are compared as they are.
 */
export function headerProblem(message: ModernMessage, headers: IncomingHttpHeaders): Rejection | null {
  if (!(modernVersions as readonly string[]).includes(message.version)) {
    return {
      kind: "rejected",
      refusal: {
        code: "unsupported-version",
        detail: `It is ${JSON.stringify(message.version.slice(0, 40))}.`,
      },
      data: { supported: modernVersions, requested: message.version },
    };
  }
  if (message.id === null) return null;
  if (headers["mcp-protocol-version"] === undefined)
    return mismatch("MCP-Protocol-Version", "It is missing.");
  if (headers["mcp-method"] === undefined) return mismatch("Mcp-Method", "It is missing.");
  const field = nameSource.get(message.method);
  return field === undefined ? null : nameProblem(headers["mcp-name"], field, message.params[field]);
}

function nameProblem(
  header: string | string[] | undefined,
  field: string,
  inBody: unknown,
): Rejection | null {
  const wanted = typeof inBody === "string" ? inBody : null;
  if (header === undefined) {
    return wanted === null ? null : mismatch("Mcp-Name", `It is missing, the body has params.${field}.`);
  }
  const value = decodeHeaderValue(String(header));
  if (value === null) return mismatch("Mcp-Name", "Its Base64 form is not valid.");
  return wanted !== null && value !== wanted
    ? mismatch("Mcp-Name", `It differs from params.${field}.`)
    : null;
}

const sentinelStart = "=?base64?";
const sentinelEnd = "?=";
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A header value as its sender meant it; null = it announces Base64 and is none, or holds what no header may hold. */
export function decodeHeaderValue(value: string): string | null {
  if (!value.startsWith(sentinelStart)) return printable.test(value) ? value : null;
  if (!value.endsWith(sentinelEnd) || value.length < sentinelStart.length + sentinelEnd.length) return value;
  const encoded = value.slice(sentinelStart.length, -sentinelEnd.length);
  const bytes = Buffer.from(encoded, "base64");
  // Node skips what is not Base64; only the canonical spelling comes back the same.
  if (bytes.toString("base64") !== encoded) return null;
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** RFC 9110 section 5.5 without obs-text: visible ASCII, space and tab. */
const printable = /^[\t -~]*$/;
