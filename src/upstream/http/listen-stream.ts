import { Fault } from "../../base/index.ts";
import type { HttpSink, NetFailure, ResponseHeaders } from "../../net/index.ts";
import type { Message } from "../message.ts";
import { isObject, readMessage, readMessageBytes } from "../message.ts";
import { garbageFault } from "../reply.ts";
import { faultFromNet, listenRefused } from "../trouble.ts";
import type { StreamListener, WireStream } from "../wire.ts";
import { EventReader } from "./event-reader.ts";
import { faultFromStatus } from "./status.ts";

/** One change is a URI and a few words. */
const eventCharsMax = 256 * 1024;
/** Of an answer that is no stream. */
const refusalBytesMax = 64 * 1024;

/** One `subscriptions/listen` over HTTP: a POST whose answer stays open. */
export class ListenStream implements HttpSink, WireStream {
  sending: { finish(): void } | null = null;
  private readonly id: number;
  private readonly serverName: string;
  private readonly depthMax: number;
  private readonly listener: StreamListener;
  private readonly refusal: Buffer[] = [];
  private refusalBytes = 0;
  private status = 0;
  private events: EventReader | null = null;
  private isOver = false;

  constructor(id: number, serverName: string, depthMax: number, listener: StreamListener) {
    this.id = id;
    this.serverName = serverName;
    this.depthMax = depthMax;
    this.listener = listener;
  }

  close(): void {
    this.isOver = true;
    this.sending?.finish();
  }

  mayStart(): boolean {
    return !this.isOver;
  }

  onHeaders(status: number, headers: ResponseHeaders): void {
    this.status = status;
    const type = String(headers["content-type"] ?? "").toLowerCase();
    if (status !== 200 || !type.startsWith("text/event-stream")) return;
    this.events = new EventReader({
      charsMax: eventCharsMax,
      onEvent: ({ data }) => {
        if (data !== "") this.onMessage(readMessage(data, this.depthMax));
      },
      onRetry: () => undefined,
      onTooLong: () => this.end(garbageFault(this.serverName, "an event of its stream is too long")),
    });
  }

  onData(chunk: Buffer): void {
    if (this.events !== null) {
      if (!this.events.feed(chunk)) this.end(garbageFault(this.serverName, "its stream is not UTF-8"));
      return;
    }
    this.refusalBytes += chunk.length;
    if (this.refusalBytes <= refusalBytesMax) this.refusal.push(chunk);
  }

  onEnd(): void {
    if (this.events === null && !this.isOver && this.refusal.length > 0) {
      const message = readMessageBytes(Buffer.concat(this.refusal), this.depthMax);
      if (message.kind === "error") return this.end(listenRefused(this.serverName, message.error.code));
      if (message.kind === "result" && message.id === this.id) return this.end(null);
    }
    if (this.events === null) this.end(faultFromStatus(this.status, this.serverName));
    else this.end(new Fault("upstream-lost", `${this.serverName} broke off its stream of notifications`));
  }

  onFailure(failure: NetFailure): void {
    this.end(faultFromNet(failure, this.serverName));
  }

  private onMessage(message: Message): void {
    if (this.isOver) return;
    switch (message.kind) {
      case "notification":
        if (isOfOther(message.params, this.id)) return;
        this.listener.onNotification(message.method, message.params);
        return;
      case "result":
        // The empty result is how a server ends the stream in good order.
        if (message.id === this.id) this.end(null);
        return;
      case "error":
        this.end(listenRefused(this.serverName, message.error.code));
        return;
      case "request":
      case "garbage":
        // Modern servers ask nothing on a stream, and one bad event spoils no other.
        return;
    }
  }

  private end(fault: Fault | null): void {
    if (this.isOver) return;
    this.close();
    this.listener.onEnded(fault);
  }
}

/** Each message names its subscription (MCP 2026-07-28, subscriptions); one that names none can only be of the stream it came on. */
function isOfOther(params: Readonly<Record<string, unknown>>, id: number): boolean {
  const { _meta: meta } = params;
  const named = isObject(meta) ? meta["io.modelcontextprotocol/subscriptionId"] : undefined;
  return named !== undefined && named !== id;
}
