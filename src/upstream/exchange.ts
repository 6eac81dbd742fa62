import type { Deadline } from "../base/index.ts";
import type { Profile, ServerRecord } from "../registry/index.ts";

/** One request to an upstream, already governed. Nothing of the caller's credential is in it. */
export interface UpstreamRequest {
  readonly server: ServerRecord;
  readonly method: string;
  /**
   * The upstream name for tools and prompts, the URI for resources, the id for `tasks/*`; null for other methods. Becomes `Mcp-Name`,
   * and a member of the params except for tasks.
   */
  readonly name: string | null;
  /** RFC 8785 text of the arguments: what was digested is what is sent. Without a name, and for tasks: the whole params. */
  readonly argumentsText: string | null;
  /** Entries of `_meta` to pass on (trace context, unknown keys, our id of the call); never the caller's envelope. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** Tells this caller from others, and nothing else about it; null = the connection itself (lists, probes, subscriptions). */
  readonly caller: string | null;
  readonly deadline: Deadline;
  /** Aborts when the caller withdrew or the node stops. Before the first byte left, the call ends with `effect: none`. */
  readonly signal: AbortSignal;
  /**
   * When it aborts after dispatch, the server is told once that the caller has gone, and the exchange goes on listening until the
   * deadline. Before dispatch it changes nothing: that is for `mayDispatch`. Modern HTTP tells nothing, as the only way to do so
   * there is to close the connection that we listen on. null = nobody's going away is the server's business.
   */
  readonly advice: AbortSignal | null;
  /** What the caller declared it can do: the server sees this, never capabilities of ours. */
  readonly profile: Profile;
  /** The least level of log messages the caller wants of this request; null = none (modern: absent means none). */
  readonly logLevel: string | null;
  /** A later round of a request that was answered with `input-required`; null = the first. A legacy server is sent the same again. */
  readonly round: Round | null;
  /**
   * Called when a legacy server asks the client something while the request is open, and `profile` declares it. Resolves with the
   * answer to give; it goes nowhere once the request has ended. null = nobody can be asked, and the server is told so. Where calls
   * share one stream, `Audience` and `UnplacedAsks` say whose a question is. At most 8 are open at once, 256 in one call.
   */
  readonly onAsk: ((ask: Ask) => Promise<AskAnswer>) | null;
  /**
   * `notifications/message` that belong to this request, at its level or above, as received. Where calls share one stream: only those
   * that can belong to no other call. null = nobody wants them.
   */
  readonly onLog: ((params: Readonly<Record<string, unknown>>) => void) | null;
  /** Set when the caller asked for progress. Values are passed on as received, without the token. */
  readonly onProgress: ((progress: Readonly<Record<string, unknown>>) => void) | null;
  /**
   * Called directly before the first byte leaves. Returning false forbids it: the call ends with `effect: none`. Called a second
   * time only when a legacy HTTP server proved that it did nothing because it no longer knew our session.
   */
  readonly mayDispatch: () => boolean;
}

/** What a client gives back in another round (MCP 2026-07-28, basic/patterns/mrtr). */
export interface Round {
  readonly inputResponses: Readonly<Record<string, unknown>>;
  /** The server's own state, exactly as it gave it; null = it gave none. */
  readonly requestState: string | null;
}

/** A question of a server to its client: `elicitation/create`, `sampling/createMessage` or `roots/list`. */
export interface Ask {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type AskAnswer =
  | { readonly kind: "answer"; readonly result: Readonly<Record<string, unknown>> }
  | { readonly kind: "refused"; readonly error: JsonRpcError };

/**
 * What came back.
 *  input-required  the server asks for input before it goes on; only where the profile declares what it asks for. Of legacy servers:
 *            a page has to be visited first (their error -32042)
 *  task      the server goes on by itself; only where the profile declares the tasks extension
 *  result    `raw` is the exact JSON text of `result` as received, `value` the same parsed.
 *  rejected  a JSON-RPC error that proves the request was not carried out (-32700, -32600, -32601, -32602, -32020..-32022).
 *  error     any other JSON-RPC error: the server answered, and may have acted.
 * Everything else is a thrown Fault (`tool-unavailable`, `upstream-lost`, `upstream-garbage`, `deadline-before-dispatch`,
 * `deadline-exceeded`, `cancelled`, `result-too-large`, `too-many-calls`, and `upstream-rejected` when an HTTP status proves it),
 * whose `effect` says whether a byte left.
 */
export type UpstreamReply =
  | { readonly kind: "result"; readonly raw: string; readonly value: Readonly<Record<string, unknown>> }
  | {
      readonly kind: "input-required";
      readonly raw: string;
      /** By the server's keys; may be empty when it only wants to be asked again. */
      readonly requests: Readonly<Record<string, Ask>>;
      readonly requestState: string | null;
    }
  | { readonly kind: "task"; readonly raw: string; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: "rejected"; readonly error: JsonRpcError }
  | { readonly kind: "error"; readonly error: JsonRpcError };

export interface JsonRpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}
