import type { McpResponse } from "./exchange.ts";
import type { CancelTimer, Clock } from "../base/index.ts";

export const eventStreamHeaders: readonly string[] = [
  "Content-Type",
  "text/event-stream",
  "Cache-Control",
  "no-cache, no-transform",
  "X-Accel-Buffering",
  "no",
];

export const keepAliveText = ": keep-alive\n\n";

/** One response as a stream of server-sent events. Comments keep it alive while nothing happens. */
export class EventStream {
  private readonly response: McpResponse;
  private readonly clock: Clock;
  private readonly keepAliveMs: number;
  private readonly bytesWaitingMax: number;
  private cancelTimer: CancelTimer;
  private isOpen = true;

  /** Sends the headers at once: the client learns that its request is being worked on. */
  constructor(
    response: McpResponse,
    options: { clock: Clock; keepAliveMs: number; bytesWaitingMax: number; headers: readonly string[] },
  ) {
    this.response = response;
    this.clock = options.clock;
    this.keepAliveMs = options.keepAliveMs;
    this.bytesWaitingMax = options.bytesWaitingMax;
    response.writeHead(200, [...options.headers, ...eventStreamHeaders]);
    response.flushHeaders();
    this.cancelTimer = this.clock.after(this.keepAliveMs, () => this.keepAlive());
    response.once("close", () => this.stop());
  }

  /** Names the stream, so that its reader can come back for it, and says how soon. */
  name(name: string, retryMs: number): void {
    if (this.isOpen) this.response.write(`id: ${name}\nretry: ${retryMs}\ndata: \n\n`);
  }

  /** `json` is one line: JSON text has no raw line breaks. False = the reader is too far behind and the event was left out. */
  offer(json: string): boolean {
    if (!this.isOpen || this.response.writableLength > this.bytesWaitingMax) return false;
    this.response.write(eventText(json));
    return true;
  }

  /** The last event. */
  end(json: string): void {
    if (!this.isOpen) return;
    this.stop();
    this.response.end(eventText(json));
  }

  private keepAlive(): void {
    if (!this.isOpen) return;
    if (this.response.writableLength <= this.bytesWaitingMax) this.response.write(keepAliveText);
    this.cancelTimer = this.clock.after(this.keepAliveMs, () => this.keepAlive());
  }

  private stop(): void {
    this.isOpen = false;
    this.cancelTimer();
  }
}

/**
 * Whether more waits for a reader than it may. What was written in this turn of the event loop has had no chance to leave (node
 * holds it back to send it as one) and does not count: a burst is not the reader's fault.
 */
export const isBehind = (response: McpResponse, bytesWaitingMax: number): boolean =>
  response.writableLength > bytesWaitingMax && (response.socket?.writableCorked ?? 0) === 0;

/**
 * A result is passed on as its server formatted it, which may include line breaks between members. In an event they would end
 * the field, so each line gets its own `data:`; a reader joins them again with line feeds (HTML, server-sent events).
 */
export function eventText(json: string): string {
  const data = /[\r\n]/.test(json) ? json.split(/\r\n|\r|\n/).join("\ndata: ") : json;
  return `event: message\ndata: ${data}\n\n`;
}
