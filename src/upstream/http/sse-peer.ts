import type { Fault } from "../../base/index.ts";
import type { HttpSink, NetFailure, ResponseHeaders } from "../../net/index.ts";
import type { ServerRecord } from "../../registry/index.ts";
import { readMessage } from "../message.ts";
import { garbageFault } from "../reply.ts";
import type { MultiplexedCall } from "../multiplexed-call.ts";
import type { MultiplexedTransport } from "../multiplexed-stream.ts";
import { MultiplexedStream } from "../multiplexed-stream.ts";
import { faultFromNet, Trouble } from "../trouble.ts";
import type { WireContext, WireOwner } from "../wire.ts";
import type { Endpoint } from "./endpoint.ts";
import { EventReader } from "./event-reader.ts";
import { SidePosts } from "./side-posts.ts";
import { faultFromStatus } from "./status.ts";

const envelopeCharsMax = 64 * 1024;
/** What a POST is answered with is "Accepted", or a sentence about what is wrong. */
const answerBytesMax = 64 * 1024;
const pathCharsMax = 4_096;

/** One event stream and the POSTs that go with it. Ends with its stream: such a server keeps nothing for a second one. */
export class SsePeer implements MultiplexedTransport, HttpSink {
  readonly stream: MultiplexedStream;
  private readonly serverName: string;
  private readonly depthMax: number;
  private readonly endpoint: Endpoint;
  private readonly charsMax: number;
  private readonly url: string;
  private readonly side: SidePosts;
  private sending: { finish(): void } | null = null;
  private events: EventReader | null = null;
  private path: string | null = null; // null = the server has not named it
  private readonly opened: Promise<boolean>;
  private resolveOpened: (isOpen: boolean) => void = () => undefined;
  private rejectOpened: (fault: Fault) => void = () => undefined;

  constructor(context: WireContext, record: ServerRecord, endpoint: Endpoint, owner: WireOwner) {
    this.serverName = record.name;
    this.depthMax = context.limits.messageDepthMax;
    this.endpoint = endpoint;
    this.side = new SidePosts(context.clock, endpoint, () => owner.onCount("refused-request"));
    this.url = record.transport.kind === "http" ? record.transport.url : "";
    this.charsMax = Math.max(record.resultBytesMax, context.limits.listBytesMax) + envelopeCharsMax;
    this.stream = new MultiplexedStream({
      serverName: record.name,
      clock: context.clock,
      owner,
      transport: this,
    });
    this.opened = new Promise((resolve, reject) => {
      this.resolveOpened = resolve;
      this.rejectOpened = reject;
    });
  }

  /** False = what answers there is no event stream. Rejects with a Fault. */
  open(): Promise<boolean> {
    const { path, headers } = this.endpoint;
    this.sending = this.endpoint.pool.stream({ method: "GET", path, headers, body: null }, this);
    return this.opened;
  }

  /** Without closing the pool. */
  stop(): void {
    this.stream.end(null);
    this.sending?.finish();
  }

  async close(): Promise<void> {
    this.stop();
    await this.endpoint.pool.close();
  }

  whyNotNow(): Fault | null {
    return null;
  }

  start(call: MultiplexedCall, text: string): void {
    const { request } = call;
    let status = 0;
    const sending = this.endpoint.pool.send(
      {
        method: "POST",
        path: this.path ?? "/",
        headers: this.endpoint.headers,
        body: text,
        deadline: request.deadline,
        signal: request.signal,
        responseBytesMax: answerBytesMax,
      },
      {
        mayStart: () => {
          call.wasSent = request.mayDispatch();
          return call.wasSent;
        },
        onHeaders: (received) => {
          status = received;
        },
        onData: () => undefined,
        onEnd: () => {
          if (status >= 300) this.stream.fail(call.id, faultFromStatus(status, this.serverName));
        },
        // The sweep of the stream ends what is withdrawn or out of time, and tells the server.
        onFailure: (failure) => {
          if (failure.kind !== "aborted" && failure.kind !== "deadline")
            this.stream.fail(call.id, faultFromNet(failure, this.serverName));
        },
      },
    );
    call.unsend = () => sending.finish();
  }

  post(text: string): void {
    this.side.post(this.path ?? "/", [], text);
  }

  mayStart(): boolean {
    return this.stream.trouble === null;
  }

  onHeaders(status: number, headers: ResponseHeaders): void {
    const type = String(headers["content-type"] ?? "").toLowerCase();
    if (status !== 200 || !type.startsWith("text/event-stream")) {
      this.sending?.finish();
      this.resolveOpened(false);
      return;
    }
    this.events = new EventReader({
      charsMax: this.charsMax,
      onEvent: ({ event, data }) => this.onEvent(event ?? "message", data),
      onRetry: () => undefined,
      onTooLong: () => this.over(new Trouble("correctness", "an event of its stream is too long")),
    });
  }

  onData(chunk: Buffer): void {
    if (this.events?.feed(chunk) === false) this.over(new Trouble("correctness", "its stream is not UTF-8"));
  }

  onEnd(): void {
    this.over(new Trouble("dependency", "it ended its event stream"));
  }

  onFailure(failure: NetFailure): void {
    this.over(new Trouble("dependency", failure.message, failure));
  }

  private onEvent(kind: string, data: string): void {
    if (kind === "endpoint" && this.path === null) {
      this.path = samePlace(data, this.url);
      if (this.path === null) this.over(new Trouble("correctness", "it names another place to send to"));
      else this.resolveOpened(true);
    } else if (kind === "message" && data !== "") {
      this.stream.onMessage(readMessage(data, this.depthMax));
    }
  }

  private over(trouble: Trouble): void {
    this.sending?.finish();
    this.rejectOpened(garbageFault(this.serverName, trouble.message));
    this.stream.end(trouble);
  }
}

/** Path and query of `named`, if it lies on the origin of the server's own URL; null = it does not, or is no URL. */
function samePlace(named: string, base: string): string | null {
  if (named.length > pathCharsMax || !URL.canParse(named, base)) return null;
  const url = new URL(named, base);
  if (url.origin !== new URL(base).origin || url.username !== "") return null;
  return `${url.pathname}${url.search}`;
}
