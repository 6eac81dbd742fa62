import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { CancelTimer, Clock } from "../../base/index.ts";
import { msOf } from "../../base/index.ts";
import type { PlainHost } from "./connection.ts";
import { PlainConnection } from "./connection.ts";
import type { PlainRequest } from "./request.ts";
import type { PlainResponse } from "./response.ts";

export interface PlainBounds {
  readonly headerBytesMax: number;
  readonly bodyBytesMax: number;
  readonly bodyBytesInFlightMax: number;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly timeoutCheckMs: number;
}

type Answer = (request: PlainRequest, response: PlainResponse) => void;

/** What Node's server adds to the time it announces: a client that uses the connection at the last moment finds it open. */
const idleLeewayMs = 1_000;

/** A larger body is read by Node's server, which counts what all of them hold together. */
const plainBytesMax = 64 * 1024;

/**
 * Stands in front of a server of `node:http`: has its new connections, reads plain requests to /mcp by itself, and gives the
 * server every connection on which anything else comes. That is documented for servers ("connection" may be emitted with any stream), and here its own
 * listener is called. Why: docs/adr/0017-a-plain-request-needs-no-parser.md. Bounded by the server's `maxConnections`.
 */
export class PlainConnections implements PlainHost {
  readonly bounds: PlainBounds;
  readonly answer: Answer;
  unreadBytes = 0;
  private readonly clock: Clock;
  private readonly all = new Set<PlainConnection>();
  private readonly serve: (socket: Socket) => void;
  private readonly keepAlive: string;
  private cancelTimer: CancelTimer = () => undefined;
  private date = "";
  private dateSecond = -1;

  constructor(options: { clock: Clock; bounds: PlainBounds; answer: Answer }, server: Server) {
    const { bounds } = options;
    this.bounds = { ...bounds, bodyBytesMax: Math.min(bounds.bodyBytesMax, plainBytesMax) };
    this.answer = options.answer;
    this.clock = options.clock;
    this.keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(bounds.idleTimeoutMs / 1000)}\r\n\r\n`;
    const own = server.listeners("connection");
    server.removeAllListeners("connection");
    this.serve = (socket) => {
      for (const listener of own) Reflect.apply(listener, server, [socket]);
    };
    server.on("connection", this.onConnection);
    server.once("listening", () => this.sweepLater());
  }

  get size(): number {
    return this.all.size;
  }

  quietUntil(when: "idle" | "reading"): number {
    const { idleTimeoutMs, timeoutCheckMs } = this.bounds;
    return this.nowMs() + (when === "idle" ? idleTimeoutMs + idleLeewayMs : timeoutCheckMs);
  }

  /** What Node's server adds to every answer. */
  lastHeaders(closes: boolean): string {
    const second = Math.floor(msOf(this.clock.wall()) / 1000);
    if (second !== this.dateSecond) {
      this.dateSecond = second;
      this.date = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
    }
    return this.date + (closes ? "\r\n" : this.keepAlive);
  }

  takeOver(connection: PlainConnection, socket: Socket): void {
    this.all.delete(connection);
    this.serve(socket);
  }

  closed(connection: PlainConnection): void {
    this.all.delete(connection);
  }

  closeAll(): void {
    this.cancelTimer();
    for (const { socket } of this.all) socket.destroy();
  }

  private readonly onConnection = (socket: Socket): void => {
    this.all.add(new PlainConnection(socket, this, this.nowMs() + this.bounds.headersTimeoutMs));
  };

  private nowMs(): number {
    return msOf(this.clock.monotonic());
  }

  private sweepLater(): void {
    this.cancelTimer = this.clock.after(this.bounds.timeoutCheckMs, () => {
      const now = this.nowMs();
      for (const connection of this.all) connection.sweep(now);
      this.sweepLater();
    });
  }
}
