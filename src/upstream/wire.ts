import type { Clock } from "../base/index.ts";
import type { Net, AddressScope } from "../net/index.ts";
import type { Era, ServerRecord } from "../registry/index.ts";
import type { UpstreamCount } from "./events.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import type { ParamHeader } from "./http/param-headers.ts";
import type { UpstreamLimits } from "./limits.ts";
import type { Children } from "./stdio/children.ts";
import type { Trouble } from "./trouble.ts";

/** One live connection. */
export interface Wire {
  readonly era: Era;
  readonly inFlight: number;
  /** Why it is of no use any more; null = it is. */
  readonly trouble: Trouble | null;
  /** Rejects with a Fault, as exchange.ts lists them. */
  exchange(request: UpstreamRequest): Promise<UpstreamReply>;
  /** Modern HTTP mirrors annotated arguments in headers; other wires have no use for it. */
  setParamHeaders(headers: ReadonlyMap<string, readonly ParamHeader[]>): void;
  /** Ends it; calls under way end as lost. Finishes only when nothing of it is left (no process, no socket). */
  close(): Promise<void>;
}

/** What a wire tells the line it belongs to. */
export interface WireOwner {
  /** The wire is of no use any more; calls under way have ended. Told at most once, and not after `close`. */
  onLost(trouble: Trouble): void;
  /** Something went wrong that a probe should look at. */
  onSuspect(): void;
  onListChanged(): void;
  onStderr(line: string): void;
  onCount(what: UpstreamCount): void;
}

/** What every line needs from the house. */
export interface WireContext {
  readonly clock: Clock;
  readonly net: Net;
  readonly limits: UpstreamLimits;
  readonly children: Children;
  /** Names and version for `clientInfo`. */
  readonly clientVersion: string;
  readonly reveal: (tenant: ServerRecord["tenant"], name: string) => Promise<string>;
  readonly allowedFor: (server: ServerRecord) => readonly AddressScope[];
}
