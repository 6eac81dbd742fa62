import { TextDecoder } from "node:util";
import { createParser } from "eventsource-parser";
import type { EventSourceParser } from "eventsource-parser";
import type { Clock } from "../../base/index.ts";
import { Fault, remainingMs } from "../../base/index.ts";
import type { HttpSending, HttpSink, NetFailure, ResponseHeaders } from "../../net/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import type { Message } from "../message.ts";
import { readMessage, readMessageBytes } from "../message.ts";
import { passProgress } from "../progress.ts";
import { badResultType, errorReply, garbageFault } from "../reply.ts";
import { faultFromNet } from "../trouble.ts";
import { faultFromStatus, isTurnedAway } from "./status.ts";

/** What a call needs from the wire it runs on; both eras implement it. */
export interface HttpPeer {
  readonly serverName: string;
  readonly depthMax: number;
  readonly clock: Clock;
  /** Called once, before the caller hears. */
  onSettled(call: HttpCall): void;
  /** Called once at most: the call's caller has gone, and its answer is still waited for. */
  onAdvice(call: HttpCall): void;
  /** What came on the call's stream beside its answer and its progress. */
  onSideMessage(message: Message): void;
  /** True = the wire takes the call over (a session to be made anew); it is not settled here. */
  takesOver(call: HttpCall, status: number): boolean;
}

/** Beyond the result itself, one JSON answer has its envelope, and a stream has progress. */
const envelopeBytesMax = 4 * 1024;
export const streamBytesExtra = 1024 * 1024;
/** A server that leaves the stream open after the answer loses the connection after this time. */
const lingerMs = 1_000;

type Body = "unknown" | "json" | "events" | "other";

/** One POST and its answer, as JSON or as an event stream. States: under way → settled; it is settled once. */
export class HttpCall implements HttpSink {
  readonly id: number;
  readonly request: UpstreamRequest;
  sending: HttpSending | null = null;
  /** How the connection failed; null = it did not. For the wire, in `onSettled`. */
  failure: NetFailure | null = null;
  status = 0;
  headers: ResponseHeaders = {};
  private readonly peer: HttpPeer;
  private readonly resolve: (reply: UpstreamReply) => void;
  private readonly reject: (fault: Fault) => void;
  isSettled = false;
  wasAdvised = false;
  private body: Body = "unknown";
  private hasGarbage = false;
  private bytes = 0;
  private chunks: Buffer[] = [];
  private events: { readonly parser: EventSourceParser; readonly decoder: TextDecoder } | null = null;

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
      this.failWithoutAnswer();
    } else {
      this.fail(faultFromStatus(this.status, this.peer.serverName));
    }
  }

  onFailure(failure: NetFailure): void {
    if (this.isSettled) return;
    this.failure = failure;
    this.fail(faultFromNet(failure, this.peer.serverName));
  }

  private startEvents(): void {
    this.body = "events";
    this.events = {
      decoder: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }),
      parser: createParser({
        // Events without data only set the stream's last id (MCP 2025-11-25, resumability).
        onEvent: (event) => {
          if (event.data !== "") this.onStreamed(readMessage(event.data, this.peer.depthMax));
        },
        maxBufferSize: this.request.server.resultBytesMax + envelopeBytesMax,
        onError: (error) => {
          if (error.type === "max-buffer-size-exceeded") this.failTooLarge(this.bytes);
        },
      }),
    };
  }

  private feed(events: { parser: EventSourceParser; decoder: TextDecoder }, chunk: Buffer): void {
    let text: string;
    try {
      text = events.decoder.decode(chunk, { stream: true });
    } catch {
      this.fail(garbageFault(this.peer.serverName, "it is not UTF-8"));
      this.sending?.finish();
      return;
    }
    events.parser.feed(text);
  }

  private onStreamed(message: Message): void {
    const isAnswer = message.kind === "result" || message.kind === "error";
    // Garbage that names this request is its answer; other garbage may still be followed by one.
    const isOwnGarbage = message.kind === "garbage" && message.id === this.id;
    if (message.kind === "garbage") this.hasGarbage = true;
    if ((isAnswer || isOwnGarbage) && !this.isSettled) {
      this.onAnswer(message);
      this.peer.clock.after(lingerMs, () => this.sending?.finish());
    } else if (this.isOwnProgress(message)) {
      if (!this.isSettled) passProgress(this.request, message.params);
    } else {
      this.peer.onSideMessage(message);
    }
  }

  private isOwnProgress(message: Message): message is Extract<Message, { kind: "notification" }> {
    return (
      message.kind === "notification" &&
      message.method === "notifications/progress" &&
      message.params["progressToken"] === this.id
    );
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
        if (isTurnedAway(this.status) && errorReply(message.error).kind === "error") {
          return this.fail(faultFromStatus(this.status, this.peer.serverName));
        }
        return this.succeed(errorReply(message.error));
      case "garbage":
        if (this.status >= 300) return this.fail(faultFromStatus(this.status, this.peer.serverName));
        return this.failGarbage(message.why);
      case "request":
      case "notification":
        return this.failGarbage("it is not an answer");
    }
  }

  private onResult(raw: string, value: Readonly<Record<string, unknown>>): void {
    const size = Buffer.byteLength(raw);
    if (size > this.request.server.resultBytesMax) return this.failTooLarge(size);
    if (this.status >= 300) return this.fail(faultFromStatus(this.status, this.peer.serverName));
    const bad = badResultType(value);
    if (bad !== null) return this.failGarbage(bad);
    this.succeed({ kind: "result", raw, value });
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
    this.peer.onSettled(this);
    return true;
  }
}
