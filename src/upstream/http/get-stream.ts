import { TextDecoder } from "node:util";
import { createParser } from "eventsource-parser";
import type { EventSourceParser } from "eventsource-parser";
import type { CancelTimer, Clock, MonotonicMs, Random } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";
import type { HttpSink, NetFailure, ResponseHeaders } from "../../net/index.ts";
import { backoffMs } from "../backoff.ts";
import type { UpstreamLimits } from "../limits.ts";
import type { EndpointPool } from "../oauth/authorized-pool.ts";
import type { Message } from "../message.ts";
import { readMessage } from "../message.ts";

export interface GetStreamContext {
  readonly pool: Pick<EndpointPool, "stream">;
  readonly path: string;
  /** As they are now: a new session has new ones. */
  readonly headers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: UpstreamLimits;
  readonly messageBytesMax: number;
  readonly onMessage: (message: Message) => void;
  /** It stands again after it did not, and nothing says that what was sent meanwhile came after all. */
  readonly onMissed: () => void;
}

const stoodMs = 10_000;
const eventIdCharsMax = 1_024;

/**
 * The stream on which a legacy server speaks outside of answers (MCP 2025-11-25, listening for messages): opened by GET, opened
 * again when it ends, from the last event on. Servers need not have it: one that answers the first GET with anything but an event
 * stream is not asked again. Whatever happens to it says nothing about the server's health.
 */
export class GetStream {
  private readonly context: GetStreamContext;
  private attempt: Attempt | null = null; // null = none is under way
  private cancelNext: CancelTimer = () => undefined;
  private isStopped = false;
  private hasStood = false;
  private wasLost = false;
  private attempts = 0;
  private lastEventId: string | null = null; // null = events have no ids
  private retryMs: number | null = null; // null = the server did not say

  constructor(context: GetStreamContext) {
    this.context = context;
  }

  start(): void {
    if (this.isStopped || this.attempt !== null) return;
    const { pool, path, headers } = this.context;
    const attempt: Attempt = new Attempt(this.context, {
      onOpen: () => this.onOpen(),
      onEventId: (id) => (this.lastEventId = id),
      onRetry: (ms) => (this.retryMs = ms),
      onEnded: (isRefused) => this.onEnded(attempt, isRefused),
    });
    this.attempt = attempt;
    const resume = this.lastEventId === null ? [] : ["last-event-id", this.lastEventId];
    const request = {
      method: "GET",
      path,
      headers: [...eventsOnly(headers()), ...resume],
      body: null,
    } as const;
    attempt.sending = pool.stream(request, attempt);
  }

  /** In a new session: what was sent in the old one is over. */
  restart(): void {
    this.attempt?.end();
    this.attempt = null;
    this.cancelNext();
    this.lastEventId = null;
    this.hasStood = false;
    this.wasLost = false;
    this.start();
  }

  stop(): void {
    this.isStopped = true;
    this.cancelNext();
    this.attempt?.end();
    this.attempt = null;
  }

  private onOpen(): void {
    this.hasStood = true;
    if (this.wasLost && this.lastEventId === null) this.context.onMissed();
    this.wasLost = false;
  }

  private onEnded(attempt: Attempt, isRefused: boolean): void {
    if (this.attempt !== attempt) return;
    this.attempt = null;
    if (this.isStopped || (isRefused && !this.hasStood)) return;
    const { clock } = this.context;
    const stoodForMs = attempt.openedAt === null ? 0 : elapsedMs(clock.monotonic(), attempt.openedAt);
    if (attempt.openedAt !== null) this.wasLost = true;
    if (stoodForMs >= stoodMs) this.attempts = 0;
    this.cancelNext = clock.after(this.waitMs(attempt.openedAt !== null), () => this.start());
  }

  /** A server that ends streams on purpose says when to come back; it is neither pressed nor kept waiting. */
  private waitMs(hasStood: boolean): number {
    const { random, limits } = this.context;
    const { backoffFirstMs, backoffMaxMs } = limits;
    if (hasStood && this.retryMs !== null)
      return Math.min(backoffMaxMs, Math.max(backoffFirstMs, this.retryMs));
    return backoffMs(this.attempts++, backoffFirstMs, backoffMaxMs, random);
  }
}

interface AttemptOwner {
  onOpen(): void;
  onEventId(id: string): void;
  onRetry(ms: number): void;
  /** `isRefused`: the server answered, but not with a stream. Told once, and not after `end`. */
  onEnded(isRefused: boolean): void;
}

/** One GET and its events. */
class Attempt implements HttpSink {
  sending: { finish(): void } | null = null;
  openedAt: MonotonicMs | null = null; // null = it was not answered with a stream
  private readonly context: GetStreamContext;
  private readonly owner: AttemptOwner;
  private readonly parser: EventSourceParser;
  private readonly decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  private isRefused = false;
  private isOver = false;

  constructor(context: GetStreamContext, owner: AttemptOwner) {
    this.context = context;
    this.owner = owner;
    this.parser = createParser({
      onEvent: ({ id, data }) => {
        if (id !== undefined && isHeaderSafe(id)) owner.onEventId(id);
        if (data !== "") context.onMessage(readMessage(data, context.limits.messageDepthMax));
      },
      onRetry: (ms) => owner.onRetry(ms),
      maxBufferSize: context.messageBytesMax,
      onError: (error) => {
        if (error.type === "max-buffer-size-exceeded") this.giveUp();
      },
    });
  }

  /** Nothing is told any more. */
  end(): void {
    this.isOver = true;
    this.sending?.finish();
  }

  mayStart(): boolean {
    return !this.isOver;
  }

  onHeaders(status: number, headers: ResponseHeaders): void {
    const type = String(headers["content-type"] ?? "").toLowerCase();
    if (status === 200 && type.startsWith("text/event-stream")) {
      this.openedAt = this.context.clock.monotonic();
      this.owner.onOpen();
      return;
    }
    // A server in trouble is asked again later; one that says what it thinks of GET is not.
    this.isRefused = status < 500 && status !== 429;
    this.giveUp();
  }

  onData(chunk: Buffer): void {
    if (this.openedAt === null || this.isOver) return;
    let text: string;
    try {
      text = this.decoder.decode(chunk, { stream: true });
    } catch {
      this.giveUp();
      return;
    }
    this.parser.feed(text);
  }

  onEnd(): void {
    this.over();
  }

  onFailure(_failure: NetFailure): void {
    this.over();
  }

  private giveUp(): void {
    this.sending?.finish();
    this.over();
  }

  private over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.owner.onEnded(this.isRefused);
  }
}

const isHeaderSafe = (id: string): boolean => id.length <= eventIdCharsMax && /^[\t\u0020-\u007e]*$/.test(id);

/** The same headers as for a request, but only events are accepted, and there is no body to have a type. */
function eventsOnly(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? "").toLowerCase();
    if (name !== "accept" && name !== "content-type") kept.push(headers[i] ?? "", headers[i + 1] ?? "");
  }
  return [...kept, "accept", "text/event-stream"];
}
