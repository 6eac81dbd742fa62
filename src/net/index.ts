/**
 * net: the only outbound HTTP client. Every connection is checked at the moment it is made: the address that was checked is the
 * address that is connected to, so a name that resolves differently the second time gains nothing. TLS certificates are always
 * verified, HTTP/1.1 only, redirects are never followed, proxies from the environment are never used. Plain answers are read in
 * `plain/`, all others by undici (docs/adr/0019-a-plain-answer-needs-no-parser.md).
 *
 * Hands out: `HttpPool`, one per owner (pools are never shared between credentials), and `Webhook`, which signs what it sends; no
 * identities.
 * Bounds: pools per node, connections per pool and kind, bytes of response headers, bytes of each response body, time to connect; every
 * request carries a deadline.
 * Errors: `NetFailure` as data to the sink or thrown by `request`; it says exactly whether a byte of the request left (`sent`).
 * Signals: none of its own; `Net.poolCount` and `HttpPool.inFlight` for gauges.
 */
export type { AddressScope, Resolve } from "./address-guard.ts";
export { DeadlineSweep } from "./deadline-sweep.ts";
export { NetFailure } from "./failure.ts";
export { Net } from "./net.ts";
export type { NetLimits } from "./net.ts";
export { nameServers } from "./name-servers.ts";
export { onAbort } from "./on-abort.ts";
export type { HttpRequest, HttpResponse, HttpSink, ResponseHeaders, StreamRequest } from "./http-request.ts";
export { HttpPool } from "./pool.ts";
export type { HttpSending } from "./sending.ts";
export { Webhook, webhookKeys } from "./webhook.ts";
export type { WebhookAnswer, WebhookMessage, WebhookOptions } from "./webhook.ts";
