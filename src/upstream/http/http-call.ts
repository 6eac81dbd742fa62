import type { Clock } from "../../base/index.ts";
import { Fault, remainingMs } from "../../base/index.ts";
import type { HttpSink, NetFailure, ResponseHeaders } from "../../net/index.ts";
import type { Era } from "../../registry/index.ts";
import type { AskPost } from "../call-asks.ts";
import { CallAsks } from "../call-asks.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import { passLog } from "../log-messages.ts";
import type { Message } from "../message.ts";
import { readMessage, readMessageBytes } from "../message.ts";
import { passProgress } from "../progress.ts";
import { errorReply, garbageFault, replyFrom } from "../reply.ts";
import type { AskedCall } from "../unplaced-asks.ts";
import { faultFromNet } from "../trouble.ts";
import { EventReader } from "./event-reader.ts";
import { faultFromStatus, isTurnedAway } from "./status.ts";

/** What a call needs from the wire it runs on; both eras implement it. */
export interface HttpPeer extends AskPost {
  readonly era: Era;
  readonly serverName: string;
  readonly depthMax: number;
  readonly clock: Clock;
  /** Called once, before the caller hears. */
  onSettled(call: HttpCall): void;
  /** Called once at most: the call's caller has gone, and its answer is still waited for. */
  onAdvice(call: HttpCall): void;
  /** What came on the call's stream and is not the call's. */
  onSideMessage(message: Message): void;
  /** True = the wire takes the call over (a session to be made anew); it is not settled here. */
  takesOver(call: HttpCall, status: number): boolean;
  /** True = the wire fetches the rest of a stream that ended too early; the call is not settled here. */
  resumes(call: HttpCall): boolean;
}

/** Beyond the result itself, one JSON answer has its envelope, and a stream has progress. */
const envelopeBytesMax = 4 * 1024;
export const streamBytesExtra = 1024 * 1024;
/** A server that leaves the stream open after the answer loses the connection after this time. */
const lingerMs = 1_000;
/** It goes back in a header; what cannot, or is longer than any counter, is as good as none. */
const eventId = /^[\t\u0020-\u007e]{1,1024}$/;

type Body = "unknown" | "json" | "events" | "other";

/** One POST and its answer, as JSON or as an event stream. States: under way → settled; it is settled once. */
export class HttpCall implements HttpSink, AskedCall {
  readonly id: number;
  readonly request: UpstreamRequest;
  sending: { finish(): void } | null = null;
  /** How the connection failed; null = it did not. For the wire, in `onSettled`. */
  failure: NetFailure | null = null;
  status = 0;
  headers: ResponseHeaders = {};
  /** Of the last event that had one: from there a broken stream can be resumed. null = none had. */
  lastEventId: string | null = null;
  /** What the server said last about when to come back; null = nothing. */
  retryMs: number | null = null;
  /** Whether its answer was a result that is no error; for the wire, in `onSettled`. */
  wasAnsweredWell = false;
  private readonly peer: HttpPeer;
  private readonly resolve: (reply: UpstreamReply) => void;
  private readonly reject: (fault: Fault) => void;
  isSettled = false;
  wasAdvised = false;
  private body: Body = "unknown";
  private hasGarbage = false;
  private bytes = 0;
  private chunks: Buffer[] = [];
  private made: CallAsks | null = null; // null = nothing was asked yet
  private events: EventReader | null = null;

  constructor(
    id: number,
    request: UpstreamRequest,
    peer: HttpPeer,
    resolve: (reply: UpstreamReply) => void,
    reject: (fault: Fault) => void,
  ) {
    this.id = id;
    this.request = request;
    this.peer = peer;
    this.resolve = resolve;
    this.reject = reject;
  }

  get asks(): CallAsks {
    if (this.made === null) {
      this.made = new CallAsks(this.request, this.peer);
      // A stream may stay open after the answer; nobody is asked anything then.
      if (this.isSettled) this.made.end();
    }
    return this.made;
  }

  withdrawAsk(id: unknown): boolean {
    return this.made?.withdraw(id) === true;
  }

  mayStart(): boolean {
    if (remainingMs(this.peer.clock, this.request.deadline) === 0) return false;
    return this.request.mayDispatch();
  }

  onWaiting(): void {
    if (this.wasAdvised || this.isSettled || this.request.advice?.aborted !== true) return;
    this.wasAdvised = true;
    this.peer.onAdvice(this);
  }

  onHeaders(status: number, headers: ResponseHeaders): void {
    this.status = status;
    this.headers = headers;
    const type = headers["content-type"];
    const text = typeof type === "string" ? type.toLowerCase() : "";
    if (text.startsWith("application/json")) this.body = "json";
    else if (text.startsWith("text/event-stream")) this.startEvents();
    else this.body = "other";
  }

  onData(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.events !== null) this.feed(this.events, chunk);
    else if (this.body !== "json") return;
    else if (this.bytes > this.request.server.resultBytesMax + envelopeBytesMax)
      this.failTooLarge(this.bytes);
    else this.chunks.push(chunk);
  }

  onEnd(): void {
    if (this.isSettled) return;
    if (this.peer.takesOver(this, this.status)) {
      this.bytes = 0;
      this.chunks = [];
      this.events = null;
      return;
    }
    const first = this.chunks[0];
    if (this.body === "json" && first !== undefined) {
      const bytes = this.chunks.length === 1 ? first : Buffer.concat(this.chunks);
      this.onAnswer(readMessageBytes(bytes, this.peer.depthMax));
    } else if (this.body === "events" && this.status < 300) {
      if (!this.peer.resumes(this)) this.failWithoutAnswer();
    } else {
      this.fail(faultFromStatus(this.status, this.peer.serverName));
    }
  }

  onFailure(failure: NetFailure): void {
    if (this.isSettled) return;
    if (failure.kind !== "lost" || !this.peer.resumes(this)) this.onFinalFailure(failure);
  }

  /** There is nothing more to wait for. */
  onFinalFailure(failure: NetFailure): void {
    if (this.isSettled) return;
    this.failure = failure;
    this.fail(faultFromNet(failure, this.peer.serverName));
  }

  private startEvents(): void {
    this.body = "events";
    this.events = new EventReader({
      charsMax: this.request.server.resultBytesMax + envelopeBytesMax,
      onEvent: (event) => {
        if (event.id !== undefined) this.lastEventId = eventId.test(event.id) ? event.id : null;
        // Events without data only set the stream's last id (MCP 2025-11-25, resumability).
        if (event.data !== "") this.onStreamed(readMessage(event.data, this.peer.depthMax));
      },
      onRetry: (ms) => {
        this.retryMs = ms;
      },
      onTooLong: () => this.failTooLarge(this.bytes),
    });
  }

  private feed(events: EventReader, chunk: Buffer): void {
    if (events.feed(chunk)) return;
    this.fail(garbageFault(this.peer.serverName, "it is not UTF-8"));
    this.sending?.finish();
  }

  private onStreamed(message: Message): void {
    const isAnswer = message.kind === "result" || message.kind === "error";
    // Garbage that names this request is its answer; other garbage may still be followed by one.
    const isOwnGarbage = message.kind === "garbage" && message.id === this.id;
    if (message.kind === "garbage") this.hasGarbage = true;
    if ((isAnswer || isOwnGarbage) && !this.isSettled) {
      this.onAnswer(message);
      this.peer.clock.after(lingerMs, () => this.sending?.finish());
    } else if (message.kind === "notification") {
      this.onNotification(message);
    } else if (message.kind === "request" && this.peer.era === "legacy" && message.method !== "ping") {
      // It came on this call's own stream, so it is this call's (MCP 2025-11-25, Streamable HTTP).
      this.asks.take(message);
    } else {
      this.peer.onSideMessage(message);
    }
  }

  private onNotification(message: Extract<Message, { kind: "notification" }>): void {
    const { method, params } = message;
    if (method === "notifications/progress" && params["progressToken"] === this.id) {
      if (!this.isSettled) passProgress(this.request, params);
    } else if (method === "notifications/message") {
      if (!this.isSettled) passLog(this.request, params);
    } else if (method !== "notifications/cancelled" || !this.withdrawAsk(params["requestId"])) {
      this.peer.onSideMessage(message);
    }
  }

  private onAnswer(message: Message): void {
    switch (message.kind) {
      case "result":
        if (message.id !== this.id) return this.failGarbage("it answers another request");
        return this.onResult(message.raw, message.value);
      case "error":
        // A server that could not read our id says null (JSON-RPC 2.0, section 5.1).
        if (message.id !== this.id && message.id !== null)
          return this.failGarbage("it answers another request");
        return this.onError(errorReply(message.error, this.request, this.peer.era));
      case "garbage":
        if (this.status >= 300) return this.fail(faultFromStatus(this.status, this.peer.serverName));
        return this.failGarbage(message.why);
      case "request":
      case "notification":
        return this.failGarbage("it is not an answer");
    }
  }

  private onError(reply: UpstreamReply): void {
    if (isTurnedAway(this.status) && reply.kind === "error")
      this.fail(faultFromStatus(this.status, this.peer.serverName));
    else this.succeed(reply);
  }

  private onResult(raw: string, value: Readonly<Record<string, unknown>>): void {
    const size = Buffer.byteLength(raw);
    if (size > this.request.server.resultBytesMax) return this.failTooLarge(size);
    if (this.status >= 300) return this.fail(faultFromStatus(this.status, this.peer.serverName));
    const reply = replyFrom(raw, value, this.request, this.peer.era);
    if (typeof reply === "string") return this.failGarbage(reply);
    this.wasAnsweredWell = value["isError"] !== true;
    this.succeed(reply);
  }

  private failWithoutAnswer(): void {
    if (this.hasGarbage) this.failGarbage("its stream had none but garbage");
    else this.fail(new Fault("upstream-lost", `${this.peer.serverName} ended the stream without an answer`));
  }

  private failGarbage(why: string): void {
    this.fail(garbageFault(this.peer.serverName, why));
  }

  private failTooLarge(bytes: number): void {
    const max = this.request.server.resultBytesMax;
    this.fail(
      new Fault(
        "result-too-large",
        `${this.peer.serverName}: the result has ${bytes} bytes or more; ${max} are allowed`,
      ),
    );
    this.sending?.finish();
  }

  private succeed(reply: UpstreamReply): void {
    if (!this.settle()) return;
    this.resolve(reply);
  }

  /** Public for the wire that took the call over. */
  fail(fault: Fault): void {
    if (!this.settle()) return;
    this.reject(fault);
  }

  private settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.chunks = [];
    this.made?.end();
    this.peer.onSettled(this);
    return true;
  }
}
