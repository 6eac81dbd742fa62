import type { MonotonicMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { AnswerHandler, AnswerReader } from "./answer-handler.ts";
import { failureFrom, NetFailure } from "./failure.ts";
import type { HttpRequest, HttpSink, ResponseHeaders } from "./http-request.ts";
import type { Placed } from "./in-flight.ts";

interface Owner {
  onOver(sending: HttpSending): void;
  /** The whole answer has come; the owner tells the sink. */
  onEnd(sink: HttpSink): void;
}

/**
 * One request on its way. States: waiting (for a connection) → sent → over. undici calls `onRequestStart` in the same turn as it
 * writes to the connected socket, and never before; that call is the border between "nothing happened" and "unknown". It is
 * also passed at most once: a second start (a re-send by the client library) is refused.
 */
export class HttpSending implements AnswerHandler, Placed {
  place = -1;
  sent = false;
  private isOver = false;
  private bytes = 0;
  private reader: AnswerReader | null = null;
  readonly request: HttpRequest;
  private readonly sink: HttpSink;
  private readonly pool: Owner;

  constructor(request: HttpRequest, sink: HttpSink, pool: Owner) {
    this.request = request;
    this.sink = sink;
    this.pool = pool;
  }

  /** Ends it now and tells the sink, unless it is over. The connection is given up when bytes have left. */
  abort(failure: NetFailure): void {
    if (!this.over()) return;
    this.reader?.abort(failure);
    this.sink.onFailure(failure);
  }

  /** Asked by the pool's sweep, so that a request needs neither a timer nor a listener of its own. */
  onSweep(now: MonotonicMs): void {
    if (this.isWithdrawn()) this.abort(new NetFailure("aborted", this.sent, "withdrawn"));
    else if (elapsedMs(now, this.request.deadline.at) >= 0)
      this.abort(new NetFailure("deadline", this.sent, "the deadline passed"));
    else if (this.sent) this.sink.onWaiting?.();
  }

  /** The owner has all it needs: no more is told to the sink, and the connection is given up. */
  finish(): void {
    if (this.over()) this.reader?.abort(new NetFailure("aborted", true, "finished early"));
  }

  onRequestStart(reader: AnswerReader): void {
    // Throwing here makes undici drop the request without writing it and keeps the connection for others.
    if (this.isOver || this.isWithdrawn())
      throw new NetFailure("aborted", this.sent, "ended before it was sent");
    if (this.sent) throw new NetFailure("lost", true, "the connection was lost");
    if (!this.sink.mayStart()) throw new NetFailure("forbidden", false, "sending was forbidden");
    if (this.isOver) throw new NetFailure("aborted", false, "ended before it was sent");
    this.sent = true;
    this.reader = reader;
  }

  onResponseStart(_reader: AnswerReader, status: number, headers: ResponseHeaders): void {
    if (this.isOver || status < 200) return;
    this.sink.onHeaders(status, headers);
  }

  onResponseData(_reader: AnswerReader, chunk: Buffer): void {
    if (this.isOver) return;
    this.bytes += chunk.length;
    const max = this.request.responseBytesMax;
    if (this.bytes > max) {
      this.abort(new NetFailure("too-large", true, `the response is larger than ${max} bytes`));
      return;
    }
    this.sink.onData(chunk);
  }

  onResponseEnd(): void {
    if (this.over()) this.pool.onEnd(this.sink);
  }

  onResponseError(_reader: AnswerReader | null, error: Error): void {
    if (this.over()) this.sink.onFailure(failureFrom(error, this.sent));
  }

  private isWithdrawn(): boolean {
    return this.request.signal?.aborted === true;
  }

  /** True the first time. */
  private over(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.pool.onOver(this);
    return true;
  }
}
