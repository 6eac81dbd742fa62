import type { Deadline } from "../base/index.ts";
import type { ServerRecord } from "../registry/index.ts";

/** One request to an upstream, already governed. Nothing of the caller's credential is in it. */
export interface UpstreamRequest {
  readonly server: ServerRecord;
  readonly method: string;
  /** The upstream name for tools and prompts, the URI for resources; null for other methods. Becomes `Mcp-Name`. */
  readonly name: string | null;
  /** RFC 8785 text of the arguments: what was digested is what is sent. */
  readonly argumentsText: string | null;
  /** Entries of `_meta` to pass on (trace context, unknown keys); never ours, never the caller's envelope. */
  readonly meta: Readonly<Record<string, unknown>>;
  readonly deadline: Deadline;
  /** Aborts when the caller withdrew or the node stops. Before the first byte left, the call ends with `effect: none`. */
  readonly signal: AbortSignal;
  /**
   * When it aborts after dispatch, the server is told once that the caller has gone, and the exchange goes on listening until the
   * deadline. Before dispatch it changes nothing: that is for `mayDispatch`. Modern HTTP tells nothing, as the only way to do so
   * there is to close the connection that we listen on. null = nobody's going away is the server's business.
   */
  readonly advice: AbortSignal | null;
  /** Set when the caller asked for progress. Values are passed on as received, without the token. */
  readonly onProgress: ((progress: Readonly<Record<string, unknown>>) => void) | null;
  /**
   * Called directly before the first byte leaves. Returning false forbids it: the call ends with `effect: none`. Called a second
   * time only when a legacy HTTP server proved that it did nothing because it no longer knew our session.
   */
  readonly mayDispatch: () => boolean;
}

/**
 * What came back.
 *  result    `raw` is the exact JSON text of `result` as received, `value` the same parsed.
 *  rejected  a JSON-RPC error that proves the request was not carried out (-32700, -32600, -32601, -32602, -32020..-32022).
 *  error     any other JSON-RPC error: the server answered, and may have acted.
 * Everything else is a thrown Fault (`tool-unavailable`, `upstream-lost`, `upstream-garbage`, `deadline-before-dispatch`,
 * `deadline-exceeded`, `cancelled`, `result-too-large`, `too-many-calls`, and `upstream-rejected` when an HTTP status proves it),
 * whose `effect` says whether a byte left.
 */
export type UpstreamReply =
  | { readonly kind: "result"; readonly raw: string; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: "rejected"; readonly error: JsonRpcError }
  | { readonly kind: "error"; readonly error: JsonRpcError };

export interface JsonRpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}
