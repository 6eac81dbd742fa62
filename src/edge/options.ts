import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Random, Result } from "../base/index.ts";
import type { AnswersElsewhere, Calls } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Runs } from "../runs/index.ts";
import type { Log, Metrics } from "../telemetry/index.ts";
import type { ParamHeader } from "./modern/param-headers.ts";

/** Synchronous when the token is known, so that the hot path does not wait for a turn of the event loop. */
export type Authenticate = (token: string) => Result<Principal> | Promise<Result<Principal>>;

/** Who a token stands for: the returned function is asked at the door and again at *authenticate*, and gives that moment's answer. */
export type HolderOf = (token: string) => () => ReturnType<Authenticate>;

/** Everything under /api/v1/. Host, Origin and shutdown were checked; body, authentication and authorisation are its own. */
export type ApiHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** `notReady` names what is still missing; empty = ready. */
export interface Readiness {
  /** Why it must not be sent work. */
  readonly notReady: readonly string[];
  /** What needs a person, while it serves nevertheless. */
  readonly degraded?: readonly string[];
}

/** Makes texts that only whoever has the same keys can make, read or change. */
export interface Sealing {
  /** Of characters that may stand in a header. */
  seal(text: string): string;
  /** null = it was not sealed with these keys. Never throws. */
  open(sealed: string): string | null;
}

/** A whole request to a page of signing in. Host and Origin were checked. */
export interface SignInRequest {
  readonly method: string;
  readonly path: string;
  /** What stands behind the question mark; "" = nothing. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Under which address the caller knows us: without a path, and without a slash at its end. */
  readonly base: string;
}

export interface SignInAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  /** A flat list: names and values in turn. */
  readonly headers: readonly string[];
}

/** Where clients get tokens by having a person sign in, or for an API key. */
export interface SignInDesk {
  serves(path: string): boolean;
  /** Never rejects. */
  answer(request: SignInRequest): Promise<SignInAnswer>;
}

export interface EdgeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly calls: Calls;
  readonly holderOf: HolderOf;
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
  /** Where clients sign in; they are told that we are our own authorization server. null = tokens are handed out by hand. */
  readonly signIn: SignInDesk | null;
  readonly readiness: () => Readiness;
  /** JSON text of the public keys. */
  readonly jwks: () => string | Promise<string>;
  /** Whether /metrics needs a token as well. Its page names tools and servers. */
  readonly metricsNeedToken: boolean;
  readonly api: ApiHandler | null; // null = not offered, 404
  /** False = agents come here from this machine alone, as those do that this node starts; left out = from anywhere. */
  readonly servesAgents?: boolean;
  /** What agents do with their own runs, under /api/v1/runs/; null or left out = not offered. */
  readonly runs?: Runs | null;
  /** The page at "/"; null = a short text about the node. */
  readonly home: ApiHandler | null;
  /** Where authorization servers send browsers back to, at /oauth/callback; null or left out = not offered. */
  readonly oauthCallback?: ApiHandler | null;
  /** JSON text at /oauth/client.json: who we are to authorization servers; null or left out = not offered. */
  readonly clientMetadata?: string | null;
  /** Which arguments of a tool travel in `Mcp-Param-*` headers too; null = no such tool for this caller, or none. */
  readonly paramHeaders: ((principal: Principal, tool: string) => readonly ParamHeader[] | null) | null;
  /** For the ids of legacy sessions, which carry their session: any node with the same keys goes on with it. */
  readonly sessionSealing: Sealing;
  /** For answers of sessions that arrive on another node than the one that asked; null or left out = there is no other node. */
  readonly answersElsewhere?: AnswersElsewhere | null;
  readonly bounds?: Partial<EdgeBounds>;
}

export interface EdgeBounds {
  readonly bodyBytesMax: number;
  readonly bodyBytesInFlightMax: number;
  readonly signInBodyBytesMax: number;
  readonly signInBytesInFlightMax: number;
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
  readonly listPageItemsMax: number;
  readonly listPageCharsMax: number;
  readonly listensMax: number;
  readonly listensPerPrincipalMax: number;
  readonly listenUrisMax: number;
  readonly listenBytesWaitingMax: number;
  readonly sessionsMax: number;
  readonly sessionsPerPrincipalMax: number;
  readonly sessionIdleMs: number;
  readonly sessionLifetimeMs: number;
  readonly sessionsEndedMax: number;
}

export const edgeBounds: EdgeBounds = {
  /** The SDK's own default; tools take arguments, not files. */
  bodyBytesMax: 4 * 1024 * 1024,
  /** All bodies being read at once: sixty-four of the largest. */
  bodyBytesInFlightMax: 256 * 1024 * 1024,
  /** A registration with sixteen addresses to come back to has 6 KB, the form of a page 8. */
  signInBodyBytesMax: 16 * 1024,
  /** Strangers send these, and may never end them: whoever wants to keep others out so needs four thousand connections. */
  signInBytesInFlightMax: 64 * 1024 * 1024,
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
  /** Many clients read the first page only, so a page holds what a caller can reasonably have; the rest is still reachable. */
  listPageItemsMax: 1_000,
  /** Four pages of this size are about what a client's own bound on a message allows (16 MiB). */
  listPageCharsMax: 4 * 1024 * 1024,
  /** One for each of the 10,000 agents; their calls need the other half of the connections. */
  listensMax: 10_000,
  /** A fleet of a hundred under one name, whose dropped streams are noticed late. */
  listensPerPrincipalMax: 256,
  /** Each is one governed subscription, and may be one upstream. */
  listenUrisMax: 100,
  /** Some three hundred notifications: a reader this far behind is not reading. */
  listenBytesWaitingMax: 64 * 1024,
  /** Sessions of the older era with a stream, a subscription or a log level, some 4 KB each; others cost nothing and are not counted. */
  sessionsMax: 10_000,
  /** A fleet of a hundred under one name, whose dropped streams are noticed late. */
  sessionsPerPrincipalMax: 256,
  /** What is kept of a session without a stream is forgotten after this time without a request. */
  sessionIdleMs: 30 * 60_000,
  /** An id opens nothing without its principal's token, so it may live long: many clients never initialise anew by themselves. */
  sessionLifetimeMs: 30 * 24 * 60 * 60_000,
  /** Of this node, some 3 MB: older ones open again, for their owner alone, and hold nothing. */
  sessionsEndedMax: 50_000,
};

export const loopbackNames = ["localhost", "127.0.0.1", "[::1]"] as const;
