/**
 * edge: the MCP face. One HTTP server, one URL for both eras of the protocol, and the few public pages beside it. It turns bytes
 * into a checked `CallInput`, and a `CallAnswer` into bytes; in between it decides nothing.
 *
 * Promises: nothing reaches `Calls` that is not well-formed, from an allowed Host and Origin and from an authenticated
 * principal; a result's bytes leave as `Calls` gave them, with `resultType` put in front where it was absent (outside what the
 * receipt commits to, like the receipt itself), and of a resource that was read `ttlMs` likewise and `cacheScope` always private;
 * a caller that goes away aborts its call's signal; whoever listens is told only what its token is good for now.
 * Never: reads a token from anywhere but the Authorization header, logs one, or passes one on. Remembers what one caller declared,
 * listed or was told for another: cursors are places in the caller's own list, and states are `Calls`' to judge.
 *
 * Beside it stands what agents do with runs of their own (`steps/`, under /api/v1/runs/): the same token, one table of routes, and
 * `Runs` behind it.
 *
 * Listening: opened, its wishes granted by `Calls` one by one, acknowledged, told; ended by its client, its token, a change of who
 * it is, not reading, or our stop.
 *
 * Identities: request ids (`req_…`), legacy session ids, which carry their session sealed.
 * Bounds: `edgeBounds` in options.ts names them all: body, header and token sizes, connections, requests in flight, bytes being
 * read, pages of lists, streams that listen and what each may hear of, legacy sessions, waiting times.
 * Errors: rows of contract/codes.ts, as HTTP statuses, JSON-RPC errors or tool results; a server's own JSON-RPC error where it is
 * the client's business.
 * Signals: metrics per answer and per refusal; a log line only when something of ours failed.
 */
export { Edge } from "./edge.ts";
export type {
  ApiHandler,
  Authenticate,
  EdgeBounds,
  EdgeOptions,
  Readiness,
  Sealing,
  SignInAnswer,
  SignInDesk,
  SignInRequest,
} from "./options.ts";
export { ownRoutes } from "./steps/routes.ts";
export { paramHeadersOf } from "./modern/param-headers.ts";
export type { ParamHeader } from "./modern/param-headers.ts";
