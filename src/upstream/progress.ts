import type { UpstreamRequest } from "./exchange.ts";

/** Hands a progress notification on without our token. A listener that throws loses this one and breaks nothing. */
export function passProgress(request: UpstreamRequest, params: Readonly<Record<string, unknown>>): void {
  if (request.onProgress === null) return;
  const { progressToken: _ours, ...progress } = params;
  try {
    request.onProgress(progress);
  } catch {
    // The caller of the call is gone or broken; the call itself goes on.
  }
}
