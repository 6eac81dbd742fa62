import type { Deadline } from "../base/index.ts";
import type { ServerRecord } from "../registry/index.ts";
import type { UpstreamRequest } from "./exchange.ts";

/** A request of the connection itself: probe, list, handshake. */
export function ownRequest(
  server: ServerRecord,
  method: string,
  paramsText: string | null,
  deadline: Deadline,
  signal: AbortSignal,
): UpstreamRequest {
  return {
    server,
    method,
    name: null,
    argumentsText: paramsText,
    meta: {},
    deadline,
    signal,
    advice: null,
    onProgress: null,
    mayDispatch: () => true,
  };
}
