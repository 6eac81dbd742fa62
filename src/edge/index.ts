/**
 * edge: the MCP face. One HTTP server, one URL for both eras of the protocol, and the few public pages beside it. It turns bytes
 * into a checked `CallInput`, and a `CallAnswer` into bytes; in between it decides nothing.
 *
 * Promises: nothing reaches `Calls` that is not well-formed, from an allowed Host and Origin and from an authenticated
 * principal; a result's bytes leave as `Calls` gave them, with `resultType` put in front where it was absent (outside what the
 * receipt commits to, like the receipt itself); a caller that goes away aborts its call's signal.
 * Never: reads a token from anywhere but the Authorization header, logs one, or passes one on.
 *
 * Identities: request ids (`req_…`), legacy session ids. Both mean nothing after a restart.
 * Bounds: `edgeBounds` in options.ts names them all: body, header and token sizes, connections, requests in flight, bytes being
 * read, legacy sessions, waiting times.
 * Errors: rows of contract/codes.ts, as HTTP statuses, JSON-RPC errors or tool results.
 * Signals: metrics per answer and per refusal; a log line only when something of ours failed.
 */
export { Edge } from "./edge.ts";
export type { ApiHandler, Authenticate, EdgeBounds, EdgeOptions, Readiness } from "./options.ts";
export { paramHeadersOf } from "./modern/param-headers.ts";
export type { ParamHeader } from "./modern/param-headers.ts";
