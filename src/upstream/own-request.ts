import type { Deadline } from "../base/index.ts";
import type { Profile, ServerRecord } from "../registry/index.ts";
import { noCapabilities } from "../registry/index.ts";
import type { UpstreamRequest } from "./exchange.ts";

/** A request of the connection itself: probe, list, handshake. `profile`: for whom the server is asked. */
export function ownRequest(
  server: ServerRecord,
  method: string,
  paramsText: string | null,
  deadline: Deadline,
  signal: AbortSignal,
  profile: Profile = noCapabilities,
): UpstreamRequest {
  return {
    server,
    method,
    name: null,
    argumentsText: paramsText,
    meta: {},
    caller: null,
    deadline,
    signal,
    advice: null,
    profile,
    logLevel: null,
    round: null,
    onAsk: null,
    onLog: null,
    onProgress: null,
    mayDispatch: () => true,
  };
}
