/**
 * upstream: the connections to MCP servers, over stdio and over Streamable HTTP, in both protocol eras, with one raw JSON-RPC
 * peer of our own: it keeps the exact bytes of each result and knows exactly whether a byte of a request left.
 *
 * A server's line moves: idle → connecting → ready → (lost) → backing off → connecting … and ends when it is stopped. Each
 * server has its own line; nothing is shared that one of them could hold up. Calls wait for a connection only while it is being
 * made, and only within their deadline; while the line backs off they fail at once with the reason.
 *
 * A server is asked what it offers (tools, resources, templates, prompts) for each set of client capabilities that somebody has, and
 * sees a caller's capabilities, never ours: a modern one with each request, a legacy one over a connection per caller and set. What a
 * server says without naming a call is told only where one caller alone has used the connection (`audience.ts`). The first
 * connection alone decides about health. Changes come by `subscriptions/listen`, by the stream of a GET or over stdio, and by looking
 * again; one subscription serves all who watch a resource, and outlives connections.
 *
 * Hands out: no identities; progress tokens and JSON-RPC ids are its own and stay inside a connection.
 * Promises: the first byte of a call leaves only after `mayDispatch` said yes; no call is sent twice; requests carry what the
 * server's record says and nothing of the caller's credential; child processes end with us.
 * Never: retries by itself (one exception: a legacy HTTP server that says 404 to our session proved that it did nothing; the
 * session is made anew and the request sent, once, after asking `mayDispatch` again).
 * Tokens that servers want of us are got, kept and renewed in `oauth/`, through a pool that looks like a plain one to the wires. A 401
 * proves that a server did nothing: then its request is sent once more with another token, after asking `mayDispatch` again.
 * Bounds: see `UpstreamLimits`; per server `concurrencyMax` and `resultBytesMax` of its record.
 * Errors: Faults as `exchange.ts` lists them.
 * Signals: health, what is offered to whom, era, updates of watched resources, and `UpstreamEvent`s (connected, lost, stderr lines, things counted).
 */
export type { UpstreamCount, UpstreamEvent } from "./events.ts";
export type { Ask, AskAnswer, JsonRpcError, Round, UpstreamReply, UpstreamRequest } from "./exchange.ts";
export type { UpstreamLimits } from "./limits.ts";
export type { OfferedTool } from "./list-tools.ts";
export type { Authorizations } from "./oauth/authorizations.ts";
export { callbackPath, clientMetadataDocument, ownAddresses } from "./oauth/client-metadata.ts";
export type { OwnAddresses } from "./oauth/client-metadata.ts";
export type { CredentialStore, KeptCredential } from "./oauth/context.ts";
export { credentialText, readCredential, secretsOfCredential } from "./oauth/credential.ts";
export type { Credential } from "./oauth/credential.ts";
export type { AuthorizationState } from "./oauth/server-authorization.ts";
export { Trouble } from "./trouble.ts";
export type { LineSnapshot } from "./server-line.ts";
export { Upstreams } from "./upstreams.ts";
export type { UpstreamsOptions } from "./upstreams.ts";
export { pickEnvironment } from "./stdio/environment.ts";
