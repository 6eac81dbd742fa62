import type { CancelTimer, Clock } from "../../base/index.ts";
import { remainingMs } from "../../base/index.ts";
import type { HttpPool, HttpRequest, HttpSending, HttpSink, ResponseHeaders } from "../../net/index.ts";
import { NetFailure, onAbort } from "../../net/index.ts";
import { troubleFrom } from "../trouble.ts";
import type { Authorized, ServerAuthorization } from "./server-authorization.ts";

/** A new nonce, a new token and wider scopes: each can be needed once, and then it is enough. */
const sendsMax = 4;
/** Of the body of a 401 or 403, which is kept until it is known whether it is the answer. */
const heldBytesMax = 64 * 1024;

/**
 * One request with the server's token. A 401, and a 403 for want of scopes, prove that nothing was done; then the request is sent
 * once more for each thing that could be put right, after asking `mayStart` again. What cannot be put right is the answer. To the
 * sink it looks like one request.
 */
export class AuthorizedSending implements HttpSink {
  private readonly pool: HttpPool;
  private readonly authorization: ServerAuthorization;
  private readonly clock: Clock;
  private readonly request: HttpRequest;
  private readonly sink: HttpSink;
  private sending: HttpSending | null = null;
  private sends = 0;
  private token = "";
  private isOver = false;
  private refusal: { status: number; headers: ResponseHeaders; chunks: Buffer[]; bytes: number } | null =
    null;

  constructor(
    pool: HttpPool,
    authorization: ServerAuthorization,
    clock: Clock,
    request: HttpRequest,
    sink: HttpSink,
  ) {
    this.pool = pool;
    this.authorization = authorization;
    this.clock = clock;
    this.request = request;
    this.sink = sink;
  }

  start(): void {
    const authorized = this.authorization.headersFor(this.request.method, this.request.path);
    if (authorized instanceof Promise) this.after(authorized, (ready) => this.send(ready));
    else this.send(authorized);
  }

  /** The owner has all it needs; no more is told to the sink. */
  finish(): void {
    this.isOver = true;
    this.sending?.finish();
  }

  mayStart(): boolean {
    return !this.isOver && this.sink.mayStart();
  }

  onWaiting(): void {
    this.sink.onWaiting?.();
  }

  onHeaders(status: number, headers: ResponseHeaders): void {
    if ((status === 401 || status === 403) && this.sends < sendsMax) {
      this.refusal = { status, headers, chunks: [], bytes: 0 };
      return;
    }
    if (status !== 401 && status !== 403 && status < 500) this.authorization.onTaken(this.token, headers);
    this.sink.onHeaders(status, headers);
  }

  onData(chunk: Buffer): void {
    const { refusal } = this;
    if (refusal === null) return this.sink.onData(chunk);
    refusal.bytes += chunk.length;
    if (refusal.bytes <= heldBytesMax) refusal.chunks.push(chunk);
  }

  onEnd(): void {
    const { refusal } = this;
    if (refusal === null) return this.end(() => this.sink.onEnd());
    this.refusal = null;
    const { status, headers } = refusal;
    this.after(this.authorization.onRefused(this.token, status, headers), (mayRepeat) => {
      if (mayRepeat) return this.start();
      this.end(() => {
        this.sink.onHeaders(status, headers);
        for (const chunk of refusal.chunks) this.sink.onData(chunk);
        this.sink.onEnd();
      });
    });
  }

  onFailure(failure: NetFailure): void {
    // What follows a refusal that said all in its status is of no interest.
    if (this.refusal !== null && failure.kind !== "aborted" && failure.kind !== "deadline") this.onEnd();
    else this.end(() => this.sink.onFailure(failure));
  }

  private send({ token, headers }: Authorized): void {
    this.token = token;
    this.sends++;
    const { request } = this;
    this.sending = this.pool.send({ ...request, headers: [...request.headers, ...headers] }, this);
  }

  /** Waits for a token within the request's own bounds. Nothing of the request has been taken by the server so far. */
  private after<T>(work: Promise<T>, goOn: (value: T) => void): void {
    const { request, clock } = this;
    const release: CancelTimer[] = [];
    let isWaiting = true;
    const proceed = (then: () => void): void => {
      if (!isWaiting) return;
      isWaiting = false;
      for (const undo of release) undo();
      if (!this.isOver) then();
    };
    const fail = (failure: NetFailure): void => proceed(() => this.end(() => this.sink.onFailure(failure)));
    release.push(
      clock.after(remainingMs(clock, request.deadline), () =>
        fail(new NetFailure("deadline", false, "the deadline passed while a token was fetched")),
      ),
    );
    work.then(
      (value) => proceed(() => goOn(value)),
      // Like a server that nobody can connect to: its line is lost, and the reason says what to do.
      (thrown: unknown) => fail(new NetFailure("connect", false, troubleFrom(thrown).message, thrown)),
    );
    if (request.signal !== null) {
      release.push(onAbort(request.signal, () => fail(new NetFailure("aborted", false, "withdrawn"))));
      if (request.signal.aborted) fail(new NetFailure("aborted", false, "withdrawn"));
    }
  }

  private end(tell: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    tell();
  }
}
