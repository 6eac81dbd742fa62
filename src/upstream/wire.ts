import type { Clock, Fault, Random } from "../base/index.ts";
import type { Net, AddressScope } from "../net/index.ts";
import type { Era, Profile, ServerRecord } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import type { ParamHeader } from "./http/param-headers.ts";
import type { UpstreamLimits } from "./limits.ts";
import type { Authorizations } from "./oauth/authorizations.ts";
import type { Children } from "./stdio/children.ts";
import type { Trouble } from "./trouble.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * One live connection. Transports are swapped here: whatever carries JSON-RPC text both ways (a WebSocket, once the protocol has
 * one) is another wire, found out and opened in `connect-server.ts`; nothing above this line would change.
 */
export interface Wire {
  readonly era: Era;
  /** What the server said of itself in `server/discover` or `initialize`; null = it was not asked (a modern one taken at its word). */
  readonly described: Described | null;
  readonly inFlight: number;
  /** Why it is of no use any more; null = it is. */
  readonly trouble: Trouble | null;
  /** Rejects with a Fault, as exchange.ts lists them. */
  exchange(request: UpstreamRequest): Promise<UpstreamReply>;
  /**
   * Modern wires: opens `subscriptions/listen` with these params (`{"notifications":{…}}`, without `_meta`) for this profile. Legacy
   * wires: null, as all that such a server notifies comes to `WireOwner.onNotification` without being asked for.
   */
  listen(paramsText: string, profile: Profile, listener: StreamListener): WireStream | null;
  /** Modern HTTP mirrors annotated arguments in headers; other wires have no use for it. */
  setParamHeaders(headers: ReadonlyMap<string, readonly ParamHeader[]>): void;
  /** Ends it; calls under way end as lost. Finishes only when nothing of it is left (no process, no socket). */
  close(): Promise<void>;
}

/** As received, and not trusted. */
export interface Described {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject | null;
  readonly instructions: string | null;
}

export interface WireStream {
  /** Nothing is told any more. */
  close(): void;
}

export interface StreamListener {
  /** `params` as received; the first is `notifications/subscriptions/acknowledged`. */
  onNotification(method: string, params: JsonObject): void;
  /** Told once, and not after `close`: null = the server ended the stream by itself, else why there is none any more. */
  onEnded(fault: Fault | null): void;
}

/** What a wire tells the line it belongs to. */
export interface WireOwner {
  /** The wire is of no use any more; calls under way have ended. Told at most once, and not after `close`. */
  onLost(trouble: Trouble): void;
  /** Something went wrong that a probe should look at. */
  onSuspect(): void;
  /** What the server notifies that belongs to no call and no stream of `listen`: list_changed of all kinds, resources/updated. */
  onNotification(method: string, params: JsonObject): void;
  /** Notifications may have been lost. `session`: and the server has forgotten what we subscribed to. */
  onMissed(why: "stream" | "session"): void;
  onStderr(line: string): void;
  onCount(what: UpstreamCount): void;
}

/** What every line needs from the house. */
export interface WireContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly limits: UpstreamLimits;
  readonly children: Children;
  readonly authorizations: Authorizations;
  /** Names and version for `clientInfo`. */
  readonly clientVersion: string;
  readonly reveal: (tenant: ServerRecord["tenant"], name: string) => Promise<string>;
  readonly allowedFor: (server: ServerRecord) => readonly AddressScope[];
}
