import type { Pool as UndiciPool } from "undici";
import type { Clock } from "../base/index.ts";
import { Cohort, deadlineIn } from "../base/index.ts";
import { guardedConnector } from "./address-guard.ts";
import type { GuardOptions } from "./address-guard.ts";
import { DeadlineSweep } from "./deadline-sweep.ts";
import type { AnswerHandler } from "./answer-handler.ts";
import { failureFrom, NetFailure } from "./failure.ts";
import type { HttpRequest, HttpResponse, HttpSink, ResponseHeaders, StreamRequest } from "./http-request.ts";
import { InFlight } from "./in-flight.ts";
import { PlainConnections } from "./plain/connections.ts";
import { HttpSending } from "./sending.ts";
import { newPool } from "./undici.ts";

export interface HttpPoolOptions extends GuardOptions {
  readonly origin: string;
  readonly connectionsMax: number;
  readonly headerBytesMax: number;
  readonly clock: Clock;
  readonly onClosed: () => void;
}

/** Keep-alive connections to one origin, for one owner. */
export class HttpPool {
  readonly origin: string;
  private readonly options: HttpPoolOptions;
  private readonly connect: ReturnType<typeof guardedConnector>;
  private readonly plain: PlainConnections;
  /** null = no request has needed it. */
  private undici: UndiciPool | null = null;
  private readonly active = new InFlight<HttpSending>();
  private readonly streams = new InFlight<HttpSending>();
  private readonly deadlines: DeadlineSweep;
  /** What is sent in one turn leaves together, and what was answered in one turn is told together. */
  private readonly leaving = new Cohort<HttpSending>((sending) => this.leave(sending));
  private readonly ended = new Cohort<HttpSink>(tellEnd);
  private closing: Promise<void> | null = null;

  constructor(options: HttpPoolOptions) {
    this.origin = options.origin;
    this.options = options;
    this.deadlines = new DeadlineSweep(options.clock, () => {
      const now = options.clock.monotonic();
      this.active.forEach((sending) => sending.onSweep(now));
      return this.active.size > 0;
    });
    this.connect = guardedConnector(options);
    this.plain = new PlainConnections({
      ...options,
      connect: this.connect,
      otherwise: (request, handler) => this.dispatch(request, handler),
    });
  }

  get inFlight(): number {
    return this.active.size;
  }

  /** Never throws: all that happens is told to the sink, later or at once. */
  send(request: HttpRequest, sink: HttpSink): HttpSending {
    const sending = new HttpSending(request, sink, this);
    if (this.closing !== null) {
      sending.abort(this.closedFailure());
    } else if (request.signal?.aborted === true) {
      sending.abort(new NetFailure("aborted", false, "withdrawn"));
    } else {
      this.active.enter(sending);
      this.deadlines.arm();
      this.leaving.add(sending);
    }
    return sending;
  }

  /**
   * A request whose answer stays open until its server or its owner (`finish`) ends it, however long that takes: it has neither
   * deadline nor signal, and costs nothing while nothing comes.
   */
  stream(request: StreamRequest, sink: HttpSink): HttpSending {
    const unbounded = {
      ...request,
      deadline: deadlineIn(this.options.clock, 0), // never looked at: streams are not swept
      signal: null,
      responseBytesMax: Number.MAX_SAFE_INTEGER, // the sink bounds each message
    };
    const sending = new HttpSending(unbounded, sink, {
      onOver: (over) => this.streams.leave(over),
      onEnd: (ended) => ended.onEnd(),
    });
    if (this.closing !== null) {
      sending.abort(this.closedFailure());
    } else {
      this.streams.enter(sending);
      this.dispatch(request, sending);
    }
    return sending;
  }

  private leave(sending: HttpSending): void {
    // What came in the turn in which the pool closes, or while it does, gets no connection.
    if (this.closing !== null) sending.abort(this.closedFailure());
    else if (!this.plain.dispatch(sending.request, sending)) this.dispatch(sending.request, sending);
  }

  private closedFailure(): NetFailure {
    return new NetFailure("closed", false, `the connections to ${this.origin} are closed`);
  }

  private dispatch(request: StreamRequest, handler: AnswerHandler): void {
    this.undici ??= newPool(this.origin, {
      connections: this.options.connectionsMax,
      connect: this.connect,
      maxHeaderSize: this.options.headerBytesMax,
      // Each request has its own deadline; undici's own timers would be a second, coarser one.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      pipelining: 1,
    });
    this.undici.dispatch(
      {
        path: request.path,
        method: request.method,
        headers: request.headers as string[],
        body: request.body,
      },
      handler,
    );
  }

  /** For HttpSending. */
  onOver(sending: HttpSending): void {
    this.active.leave(sending);
  }

  /** For HttpSending. */
  onEnd(sink: HttpSink): void {
    this.ended.add(sink);
  }

  /** The whole response, or a thrown NetFailure. For what is not on the hot path. */
  request(request: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let status = 0;
      let headers: ResponseHeaders = {};
      this.send(request, {
        mayStart: () => true,
        onHeaders: (receivedStatus, receivedHeaders) => {
          status = receivedStatus;
          headers = receivedHeaders;
        },
        onData: (chunk) => chunks.push(chunk),
        onEnd: () => resolve({ status, headers, body: Buffer.concat(chunks) }),
        onFailure: reject,
      });
    });
  }

  /** Ends what is under way (those that were sent end as `lost`) and all connections. A second call waits for the first. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const close = (sending: HttpSending): void => {
      const kind = sending.sent ? "lost" : "closed";
      sending.abort(new NetFailure(kind, sending.sent, `the connections to ${this.origin} were closed`));
    };
    this.active.forEach(close);
    this.streams.forEach(close);
    const plainClosed = this.plain.close();
    // What fails here fails on sockets that are gone.
    await this.undici?.destroy().catch(() => undefined);
    await plainClosed;
    this.options.onClosed();
  }
}

/** A sink that fails over its answer fails alone: it hears of it, and those who are told in the same turn are told. */
function tellEnd(sink: HttpSink): void {
  try {
    sink.onEnd();
  } catch (thrown) {
    sink.onFailure(failureFrom(thrown, true));
  }
}
