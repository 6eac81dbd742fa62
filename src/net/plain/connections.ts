import type { Socket } from "node:net";
import type { buildConnector } from "undici";
import type { Clock } from "../../base/index.ts";
import { BoundedQueue, Cohort, msOf } from "../../base/index.ts";
import type { AnswerHandler } from "../answer-handler.ts";
import type { StreamRequest } from "../http-request.ts";
import type { PlainHost } from "./connection.ts";
import { PlainConnection } from "./connection.ts";
import type { Errand } from "./errand.ts";
import { HeadReader } from "./head.ts";
import { plainText } from "./request.ts";

export interface PlainOptions {
  readonly origin: string;
  readonly connect: buildConnector.connector;
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  readonly clock: Clock;
  /** For those that were taken and are undici's after all. Nothing was told of them. */
  readonly otherwise: (request: StreamRequest, handler: AnswerHandler) => void;
}

/** As in undici: what a server that does not say how long it keeps a connection is trusted to, and at most if it does. */
const keepsDefaultMs = 4_000;
const keepsMaxMs = 600_000;
/** What is said to be kept for five seconds is used for three: the server's clock began before ours. */
const keepsLeewayMs = 2_000;
const sweepMs = 1_000;

/** After an answer that is not plain so many requests are undici's. Twice as many after each such answer that follows. */
const undiciMin = 64;
const undiciMax = 8_192;

/** Whoever asks bounds it: each is a request under way. */
const newWaiting = () => new BoundedQueue<Errand>(Number.POSITIVE_INFINITY);

interface Taken {
  readonly connection: PlainConnection;
  readonly errand: Errand;
}

/**
 * Keep-alive connections to one origin whose answers have been plain so far: they are read without an HTTP parser. Why:
 * docs/adr/0019-a-plain-answer-needs-no-parser.md. A request that waits for a connection to be made is sent on that one; where there are as
 * many as there may be, requests wait in the order in which they came.
 */
export class PlainConnections implements PlainHost {
  readonly origin: string;
  readonly headerBytesMax: number;
  readonly heads: HeadReader;
  private readonly options: PlainOptions;
  private readonly target: buildConnector.Options;
  private readonly host: string;
  private readonly open = new Set<PlainConnection>();
  /** Those being made as well. */
  private count = 0;
  /** May be used, the last one first. */
  private readonly idle: PlainConnection[] = [];
  private waiting = newWaiting();
  /**
   * Requests and the used connections that they will be sent on, when this turn of the event loop is over: what a server has said or done
   * until then, an end or an answer that nobody asked for, has been heard by then (as in undici, GHSA-35p6-xmwp-9g52).
   */
  private readonly taken = new Cohort<Taken>(({ connection, errand }) => {
    if (connection.isUsable) this.use(connection, errand);
    else this.start(errand);
  });
  private isSweeping = false;
  private isClosed = false;
  private onNoneOpen: (() => void) | null = null; // null = nobody waits for it
  private undiciNext = undiciMin;
  private undiciLeft = 0;

  constructor(options: PlainOptions) {
    const { origin, headerBytesMax } = options;
    const { host, hostname, protocol, port } = new URL(origin);
    this.origin = origin;
    this.headerBytesMax = headerBytesMax;
    this.heads = new HeadReader(headerBytesMax);
    this.options = options;
    this.host = host;
    this.target = { host, hostname: hostname.replace(/^\[(.*)\]$/, "$1"), protocol, port };
  }

  /** False = it is for undici, and nothing was told. */
  dispatch(request: StreamRequest, handler: AnswerHandler): boolean {
    if (this.undiciLeft > 0) {
      this.undiciLeft--;
      return false;
    }
    const plain = plainText(request, this.host);
    if (plain === null) return false;
    this.start({ request, plain, handler });
    return true;
  }

  answered(connection: PlainConnection, keepsMs: number | null): void {
    const kept = keepsMs === null ? keepsDefaultMs : Math.min(keepsMs - keepsLeewayMs, keepsMaxMs);
    this.undiciNext = undiciMin;
    // Nor is it for those that wait already.
    if (kept <= 0) return connection.destroy();
    connection.idleUntil = this.nowMs() + kept;
    const errand = this.waiting.take();
    if (errand === undefined) this.keep(connection);
    else this.taken.add({ connection, errand });
  }

  notPlain(): void {
    if (this.undiciLeft > 0) return; // answers to requests of before say it again
    this.undiciLeft = this.undiciNext;
    this.undiciNext = Math.min(this.undiciNext * 2, undiciMax);
    // Those that come now overtake nobody, and nobody waits for the end of a stream while undici has room.
    for (const { request, handler } of this.waiting.takeMany(this.waiting.size))
      this.options.otherwise(request, handler);
  }

  closed(connection: PlainConnection): void {
    this.open.delete(connection);
    this.left();
    if (this.open.size === 0) this.onNoneOpen?.();
  }

  /** What waits is told by its owner. Over when the sockets are closed. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.waiting = newWaiting();
    if (this.open.size === 0) return;
    for (const connection of this.open) connection.destroy();
    await new Promise<void>((resolve) => (this.onNoneOpen = resolve));
  }

  private start(errand: Errand): void {
    if (this.isClosed) return; // as in `close`
    const connection = this.takeIdle();
    if (connection !== null) this.taken.add({ connection, errand });
    else if (this.count < this.options.connectionsMax) this.connectFor(errand);
    else this.waiting.offer(errand);
  }

  /** For this request, or the first of those that wait which may be sent. */
  private use(connection: PlainConnection, errand: Errand | undefined): void {
    for (let next = errand; next !== undefined; next = this.waiting.take()) if (connection.send(next)) return;
    this.keep(connection);
  }

  private keep(connection: PlainConnection): void {
    this.idle.push(connection);
    this.sweepLater();
  }

  private takeIdle(): PlainConnection | null {
    const now = this.nowMs();
    for (let found = this.idle.pop(); found !== undefined; found = this.idle.pop()) {
      if (found.isUsable && found.idleUntil > now) return found;
      found.destroy();
    }
    return null;
  }

  private connectFor(errand: Errand): void {
    this.count++;
    this.options.connect(this.target, (error, socket: Socket | null) => {
      if (error !== null || socket === null) {
        this.left();
        errand.handler.onResponseError(null, error ?? new Error("no connection"));
      } else if (this.isClosed) {
        socket.destroy();
      } else {
        const connection = new PlainConnection(socket, this);
        this.open.add(connection);
        connection.idleUntil = this.nowMs() + keepsDefaultMs;
        this.use(connection, errand);
      }
    });
  }

  private left(): void {
    this.count--;
    const next = this.isClosed ? undefined : this.waiting.take();
    if (next !== undefined) this.connectFor(next);
  }

  private sweepLater(): void {
    if (this.isSweeping) return;
    this.isSweeping = true;
    this.options.clock.after(sweepMs, () => {
      this.isSweeping = false;
      const now = this.nowMs();
      let kept = 0;
      for (const connection of this.idle) {
        if (connection.isUsable && connection.idleUntil > now) this.idle[kept++] = connection;
        else connection.destroy();
      }
      this.idle.length = kept;
      if (kept > 0) this.sweepLater();
    });
  }

  private nowMs(): number {
    return msOf(this.options.clock.monotonic());
  }
}
