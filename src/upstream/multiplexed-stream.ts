import type { Clock } from "../base/index.ts";
import { elapsedMs, Fault, remainingMs } from "../base/index.ts";
import { DeadlineSweep } from "../net/index.ts";
import type { Era, Profile } from "../registry/index.ts";
import { Audience } from "./audience.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { passSharedLog } from "./log-messages.ts";
import type { Message } from "./message.ts";
import { isObject } from "./message.ts";
import { ownRequest } from "./own-request.ts";
import { passProgress } from "./progress.ts";
import { errorReply, garbageFault, replyFrom } from "./reply.ts";
import { cancelledText, requestText } from "./request-text.ts";
import { pong } from "./server-request.ts";
import { MultiplexedCall } from "./multiplexed-call.ts";
import { cancelledFault, deadlineFault, listenRefused, Trouble } from "./trouble.ts";
import type { SharedConnection } from "./unplaced-asks.ts";
import { UnplacedAsks } from "./unplaced-asks.ts";
import type { StreamListener, WireOwner, WireStream } from "./wire.ts";

/** What carries the text. */
export interface MultiplexedTransport {
  /** Why nothing can be sent now; null = it can. Asked before `start`. */
  whyNotNow(request: UpstreamRequest): Fault | null;
  /** Sends a call, after asking its `mayDispatch`; sets `wasSent` and `unsend`. What fails then goes to `MultiplexedStream.fail`. */
  start(call: MultiplexedCall, text: string): void;
  /** Sends what needs no answer. */
  post(text: string): void;
}

const subscriptionKey = "io.modelcontextprotocol/subscriptionId";

/**
 * JSON-RPC over one stream that many calls share: stdio in both eras, and HTTP+SSE. Ids and progress tokens are ours, per
 * connection, and find the call that an answer or a progress belongs to. Ends once.
 */
export class MultiplexedStream implements SharedConnection {
  /** Known once the handshake is through. */
  era: Era = "legacy";
  private readonly serverName: string;
  private readonly clock: Clock;
  private readonly owner: WireOwner;
  private readonly transport: MultiplexedTransport;
  private readonly calls = new Map<number, MultiplexedCall>();
  private readonly listeners = new Map<number, StreamListener>();
  private readonly audience = new Audience();
  private readonly unplaced = new UnplacedAsks(this);
  private readonly deadlines: DeadlineSweep;
  private lastId = 0;
  /** null = it has not ended. */
  private ended: Trouble | null = null;

  constructor(options: {
    readonly serverName: string;
    readonly clock: Clock;
    readonly owner: WireOwner;
    readonly transport: MultiplexedTransport;
  }) {
    this.serverName = options.serverName;
    this.clock = options.clock;
    this.owner = options.owner;
    this.transport = options.transport;
    this.deadlines = new DeadlineSweep(options.clock, () => this.endWhatIsDue());
  }

  get inFlight(): number {
    return this.calls.size;
  }

  /** Why it ended; null = it has not. */
  get trouble(): Trouble | null {
    return this.ended;
  }

  send(request: UpstreamRequest, envelope: string): Promise<UpstreamReply> {
    return new Promise((resolve, reject) => {
      const refusal = this.whyNotNow(request);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      this.audience.admit(request.caller);
      const call = new MultiplexedCall(++this.lastId, request, this, resolve, reject);
      this.calls.set(call.id, call);
      this.deadlines.arm();
      this.transport.start(call, requestText(call.id, request, envelope));
    });
  }

  /** Modern servers only: a request that is answered by notifications until one side ends it. */
  listen(
    server: UpstreamRequest["server"],
    paramsText: string,
    profile: Profile,
    envelope: string,
    listener: StreamListener,
  ): WireStream {
    const id = ++this.lastId;
    const never = { at: this.clock.monotonic() };
    const request = ownRequest(server, "subscriptions/listen", paramsText, never, neverAborts, profile);
    this.listeners.set(id, listener);
    this.post(requestText(id, request, envelope));
    return {
      close: () => {
        if (this.listeners.delete(id)) this.post(cancelledText(id, "given-up"));
      },
    };
  }

  post(text: string): void {
    if (this.ended === null) this.transport.post(text);
  }

  onRefused(): void {
    this.owner.onCount("refused-request");
  }

  get isShared(): boolean {
    return this.audience.isShared;
  }

  onUnplaced(): void {
    this.owner.onCount("unplaced");
  }

  onRepeated(): void {
    this.owner.onCount("repeated");
  }

  /** A call whose sending failed, or whose answer is no answer. False = it is not open. */
  fail(id: number, fault: Fault): boolean {
    const call = this.take(id, false);
    call?.fail(fault);
    return call !== undefined;
  }

  /** The only open call; null = there is none, or more. */
  get only(): MultiplexedCall | null {
    const [only] = this.calls.values();
    return this.calls.size === 1 && only !== undefined ? only : null;
  }

  openCall(id: number): MultiplexedCall | null {
    return this.calls.get(id) ?? null;
  }

  onMessage(message: Message): void {
    if (this.ended !== null) return;
    switch (message.kind) {
      case "result":
      case "error":
        return this.onAnswer(message);
      case "garbage":
        this.owner.onCount("garbage");
        if (message.id !== null) this.fail(message.id, garbageFault(this.serverName, message.why));
        return;
      case "notification":
        return this.onNotification(message.method, message.params);
      case "request":
        // A modern server asks by its results; a request of its own is against the protocol, but a ping hurts nobody.
        if (this.era === "modern" && message.method === "ping") this.post(pong(message.id));
        else this.unplaced.take(message, this.era === "modern" ? [] : this.calls.values());
    }
  }

  /** null = we closed it, and nobody needs to be told. */
  end(trouble: Trouble | null): void {
    if (this.ended !== null) return;
    this.ended = trouble ?? new Trouble("dependency", "the connection was closed");
    const reason = `${this.serverName} was lost before it answered: ${this.ended.message}`;
    for (const call of this.calls.values()) {
      call.unsend();
      const code = call.wasSent ? "upstream-lost" : "tool-unavailable";
      this.fail(call.id, new Fault(code, reason, { cause: this.ended }));
    }
    for (const [id, listener] of this.listeners) {
      this.listeners.delete(id);
      if (trouble !== null) listener.onEnded(new Fault("upstream-lost", reason, { cause: this.ended }));
    }
    if (trouble !== null) this.owner.onLost(trouble);
  }

  private whyNotNow(request: UpstreamRequest): Fault | null {
    if (request.signal.aborted) return cancelledFault(this.serverName, false);
    if (this.ended !== null)
      return new Fault("tool-unavailable", `${this.serverName}: ${this.ended.message}`);
    if (remainingMs(this.clock, request.deadline) === 0) return deadlineFault(this.serverName, false);
    return this.transport.whyNotNow(request);
  }

  private onAnswer(message: Extract<Message, { kind: "result" | "error" }>): void {
    const { id } = message;
    if (id !== null && this.onListenAnswered(id, message)) return;
    const isGood = message.kind === "result" && message.value["isError"] !== true;
    const call = id === null ? undefined : this.take(id, isGood);
    if (call === undefined) {
      const wasAsked = id !== null && Number.isInteger(id) && id > 0 && id <= this.lastId;
      this.owner.onCount(wasAsked ? "repeated" : "unknown-id");
      return;
    }
    if (message.kind === "error") {
      call.succeed(errorReply(message.error, call.request, this.era));
      return;
    }
    const size = Buffer.byteLength(message.raw);
    if (size > call.request.server.resultBytesMax) {
      call.fail(this.tooLarge(call.request, size));
      return;
    }
    const reply = replyFrom(message.raw, message.value, call.request, this.era);
    if (typeof reply === "string") call.fail(garbageFault(this.serverName, reply));
    else call.succeed(reply);
  }

  private onListenAnswered(id: number, message: Extract<Message, { kind: "result" | "error" }>): boolean {
    const listener = this.listeners.get(id);
    if (listener === undefined) return false;
    this.listeners.delete(id);
    listener.onEnded(message.kind === "result" ? null : listenRefused(this.serverName, message.error.code));
    return true;
  }

  private onNotification(method: string, params: Readonly<Record<string, unknown>>): void {
    const meta = params["_meta"];
    const subscription = isObject(meta) ? meta[subscriptionKey] : undefined;
    const listener = typeof subscription === "number" ? this.listeners.get(subscription) : undefined;
    if (listener !== undefined) {
      listener.onNotification(method, params);
      return;
    }
    switch (method) {
      case "notifications/progress": {
        const token = params["progressToken"];
        const call = typeof token === "number" ? this.calls.get(token) : undefined;
        if (call !== undefined) passProgress(call.request, params);
        return;
      }
      case "notifications/message":
        if (this.isShared) this.onUnplaced();
        else passSharedLog(this.calls.values(), this.era, params);
        return;
      case "notifications/cancelled":
        this.withdraw(params["requestId"]);
        return;
      default:
        this.owner.onNotification(method, params);
    }
  }

  /** The server takes back a question, or ends a stream that we listen to. */
  private withdraw(id: unknown): void {
    const listener = typeof id === "number" ? this.listeners.get(id) : undefined;
    if (listener !== undefined && this.era === "modern") {
      this.listeners.delete(id as number);
      listener.onEnded(null);
      return;
    }
    if (this.unplaced.withdraw(id)) return;
    for (const call of this.calls.values()) if (call.withdrawAsk(id)) return;
  }

  tooLarge(request: UpstreamRequest, bytes: number): Fault {
    const max = request.server.resultBytesMax;
    return new Fault(
      "result-too-large",
      `${this.serverName}: the result has ${bytes} bytes or more; ${max} are allowed`,
    );
  }

  private endWhatIsDue(): boolean {
    const now = this.clock.monotonic();
    for (const call of this.calls.values()) {
      const { request, wasSent } = call;
      if (request.signal.aborted) this.giveUp(call, cancelledFault(this.serverName, wasSent));
      else if (elapsedMs(now, request.deadline.at) >= 0)
        this.giveUp(call, deadlineFault(this.serverName, wasSent));
      else if (wasSent && request.advice?.aborted === true) this.tellOnce(call, "advice");
    }
    return this.calls.size > 0;
  }

  private giveUp(call: MultiplexedCall, fault: Fault): void {
    if (this.take(call.id, false) === undefined) return;
    if (call.wasSent) this.tellOnce(call, "given-up");
    else call.unsend();
    call.fail(fault);
  }

  private tellOnce(call: MultiplexedCall, why: "given-up" | "advice"): void {
    // `initialize` may not be withdrawn (MCP 2025-11-25, cancellation).
    if (call.wasTold || call.request.method === "initialize") return;
    call.wasTold = true;
    this.post(cancelledText(call.id, why));
  }

  private take(id: number, isAnswered: boolean): MultiplexedCall | undefined {
    const call = this.calls.get(id);
    if (call === undefined) return undefined;
    this.calls.delete(id);
    this.unplaced.onEnded(call, isAnswered);
    return call;
  }
}

const neverAborts = new AbortController().signal;
