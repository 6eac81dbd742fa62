import type { Clock } from "../base/index.ts";
import { deadlineIn } from "../base/index.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { logRank } from "./log-messages.ts";
import { ownRequest } from "./own-request.ts";

/** Nothing but logs depends on it. */
const setTimeoutMs = 5_000;

/**
 * `logging/setLevel` of one legacy connection: the least level that any of its callers has wanted so far. It is set before the first call
 * that wants it is sent, and never raised again; what a call does not want is dropped here.
 */
export class LegacyLogLevel {
  private readonly clock: Clock;
  private readonly stopped: AbortSignal;
  private readonly send: (request: UpstreamRequest) => Promise<UpstreamReply>;
  private rank = Number.POSITIVE_INFINITY;
  private setting: Promise<void> | null = null; // null = none is under way

  constructor(
    clock: Clock,
    stopped: AbortSignal,
    send: (request: UpstreamRequest) => Promise<UpstreamReply>,
  ) {
    this.clock = clock;
    this.stopped = stopped;
    this.send = send;
  }

  /** Never rejects. null = there is nothing to wait for. */
  before(request: UpstreamRequest): Promise<void> | null {
    if (request.logLevel === null) return null;
    const rank = logRank(request.logLevel);
    if (rank === -1 || rank >= this.rank) return this.setting;
    this.rank = rank;
    const own = ownRequest(
      request.server,
      "logging/setLevel",
      JSON.stringify({ level: request.logLevel }),
      deadlineIn(this.clock, setTimeoutMs),
      this.stopped,
    );
    const setting: Promise<void> = this.send(own).then(
      () => this.onSet(setting),
      () => this.onSet(setting),
    );
    this.setting = setting;
    return setting;
  }

  /** A new session knows nothing of it. */
  forget(): void {
    this.rank = Number.POSITIVE_INFINITY;
  }

  private onSet(setting: Promise<void>): void {
    if (this.setting === setting) this.setting = null;
  }
}
