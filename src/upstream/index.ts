/**
 * upstream: the connections to MCP servers, over stdio and over Streamable HTTP, in both protocol eras, with one raw JSON-RPC
 * peer of our own: it keeps the exact bytes of each result and knows exactly whether a byte of a request left.
 *
 * A server's line moves: idle → connecting → ready → (lost) → backing off → connecting … and ends when it is stopped. Each
 * server has its own line; nothing is shared that one of them could hold up. Calls wait for a connection only while it is being
 * made, and only within their deadline; while the line backs off they fail at once with the reason.
 *
 * Hands out: no identities; progress tokens and JSON-RPC ids are its own and stay inside a connection.
 * Promises: the first byte of a call leaves only after `mayDispatch` said yes; no call is sent twice; requests carry what the
 * server's record says and nothing of the caller's credential; child processes end with us.
 * Never: retries by itself (one exception: a legacy HTTP server that says 404 to our session proved that it did nothing; the
 * session is made anew and the request sent, once, after asking `mayDispatch` again).
 * Bounds: see `UpstreamLimits`; per server `concurrencyMax` and `resultBytesMax` of its record.
 * Errors: Faults as `exchange.ts` lists them.
 * Signals: health, offered tools, era, and `UpstreamEvent`s (connected, lost, stderr lines, things counted).
 */
export type { UpstreamCount, UpstreamEvent } from "./events.ts";
export type { JsonRpcError, UpstreamReply, UpstreamRequest } from "./exchange.ts";
export type { UpstreamLimits } from "./limits.ts";
export type { OfferedTool } from "./list-tools.ts";
export type { LineSnapshot } from "./server-line.ts";
export { Upstreams } from "./upstreams.ts";
export type { UpstreamsOptions } from "./upstreams.ts";
