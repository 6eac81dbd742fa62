import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Random, Result } from "../base/index.ts";
import type { Calls } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Log, Metrics } from "../telemetry/index.ts";
import type { ParamHeader } from "./modern/param-headers.ts";

/** Synchronous when the token is known, so that the hot path does not wait for a turn of the event loop. */
export type Authenticate = (token: string) => Result<Principal> | Promise<Result<Principal>>;

/** Everything under /api/v1/. Host, Origin and shutdown were checked; body, authentication and authorisation are its own. */
export type ApiHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** `notReady` names what is still missing; empty = ready. */
export interface Readiness {
  readonly notReady: readonly string[];
}

export interface EdgeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly calls: Calls;
  readonly authenticate: Authenticate;
  /** Who a request without an Authorization header is; for `signalbox proxy` alone. null = such a request is refused. */
  readonly anonymousPrincipal: Principal | null;
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Host names, without port, beyond the loopback names, under which clients reach us. IPv6 in brackets. */
  readonly allowedHosts: readonly string[];
  /** Origins (`https://console.example.com`) beyond those with a loopback or allowed host name. */
  readonly allowedOrigins: readonly string[];
  /** How clients reach us from outside, e.g. `https://signalbox.example.com`; null = as the Host header says. */
  readonly publicUrl: string | null;
  readonly serverInfo: { readonly name: string; readonly title?: string; readonly version: string };
  /** What a client may tell its model about this server; null = nothing. */
  readonly instructions: string | null;
  /** Issuers of tokens, for RFC 9728 metadata; empty = tokens are handed out by hand. */
  readonly authorizationServers: readonly string[];
  readonly readiness: () => Readiness;
  /** JSON text of the public keys. */
  readonly jwks: () => string | Promise<string>;
  /** Whether /metrics needs a token as well. Its page names tools and servers. */
  readonly metricsNeedToken: boolean;
  readonly api: ApiHandler | null; // null = not offered, 404
  /** The page at "/"; null = a short text about the node. */
  readonly home: ApiHandler | null;
  /** Which arguments of a tool travel in `Mcp-Param-*` headers too; null = no such tool for this caller, or none. */
  readonly paramHeaders: ((principal: Principal, tool: string) => readonly ParamHeader[] | null) | null;
  readonly bounds?: Partial<EdgeBounds>;
}

export interface EdgeBounds {
  readonly bodyBytesMax: number;
  readonly bodyBytesInFlightMax: number;
  readonly headerBytesMax: number;
  readonly tokenCharsMax: number;
  readonly connectionsMax: number;
  readonly requestsInFlightMax: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly timeoutCheckMs: number;
  readonly keepAliveCommentMs: number;
  readonly streamBytesWaitingMax: number;
  readonly listTtlMs: number;
  readonly sessionsMax: number;
  readonly sessionsPerPrincipalMax: number;
  readonly sessionIdleMs: number;
}

export const edgeBounds: EdgeBounds = {
  /** The SDK's own default; tools take arguments, not files. */
  bodyBytesMax: 4 * 1024 * 1024,
  /** All bodies being read at once: sixty-four of the largest. */
  bodyBytesInFlightMax: 256 * 1024 * 1024,
  /** Node's default: a token, trace context and a few Mcp-Param headers fit well. */
  headerBytesMax: 16 * 1024,
  /** The largest token seen in the field (a JWT with groups) has about 4,000 characters. */
  tokenCharsMax: 8192,
  /** 10,000 agents on two connections each is the largest load we promise; descriptors are the system's limit (`ulimit -n`). */
  connectionsMax: 20_000,
  requestsInFlightMax: 20_000,
  /** A client sends its headers in one packet; ten seconds forgive a bad network. */
  headersTimeoutMs: 10_000,
  /** For the whole request including its body, not for its answer. */
  requestTimeoutMs: 60_000,
  /** A little longer than the 60 s that load balancers keep idle connections, so that they close first. */
  idleTimeoutMs: 65_000,
  timeoutCheckMs: 5_000,
  /** Half of the shortest idle limit of the usual proxies (30 s). */
  keepAliveCommentMs: 15_000,
  /** Progress is advice: a reader this far behind gets the result, and no more progress until it has caught up. */
  streamBytesWaitingMax: 1024 * 1024,
  /** How long a client may keep a list without asking again. Short, because a list changes with health and policy. */
  listTtlMs: 10_000,
  /** An idle session costs about 20 KB. */
  sessionsMax: 10_000,
  /** One person with every client open has a dozen. */
  sessionsPerPrincipalMax: 100,
  /** A client that was away longer initialises anew, which costs it one round trip. */
  sessionIdleMs: 30 * 60_000,
};

export const loopbackNames = ["localhost", "127.0.0.1", "[::1]"] as const;
