import type { UpstreamRequest } from "./exchange.ts";

/** RFC 5424, least first. */
const levels: readonly unknown[] = [
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
];

export const logRank = (level: unknown): number => levels.indexOf(level);

/** Hands a log message on, if its level is wanted. A listener that throws loses this one and breaks nothing. */
export function passLog(request: UpstreamRequest, params: Readonly<Record<string, unknown>>): void {
  if (request.onLog === null || request.logLevel === null) return;
  const rank = logRank(params["level"]);
  if (rank === -1 || rank < logRank(request.logLevel)) return;
  try {
    request.onLog(params);
  } catch {
    // The caller of the call is gone or broken; the call itself goes on.
  }
}

/**
 * On a stream that many calls share nothing says which call a log message belongs to, so it is handed on only when there is one it can
 * belong to: in the newer era the only call that asked for logs, in the older the only call there is. Only for a connection that one
 * caller alone has used (see `Audience`).
 */
export function passSharedLog(
  open: Iterable<{ readonly request: UpstreamRequest }>,
  era: "modern" | "legacy",
  params: Readonly<Record<string, unknown>>,
): void {
  let only: UpstreamRequest | null = null;
  for (const { request } of open) {
    if (era === "modern" && request.logLevel === null) continue;
    if (only !== null) return;
    only = request;
  }
  if (only !== null) passLog(only, params);
}
