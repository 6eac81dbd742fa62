import type { Clock } from "../../base/index.ts";
import { deadlineIn, Fault, faultFrom } from "../../base/index.ts";
import type { Profile, ServerRecord } from "../../registry/index.ts";
import { Audience } from "../audience.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import { LegacyLogLevel } from "../legacy-log-level.ts";
import { passSharedLog } from "../log-messages.ts";
import type { Message } from "../message.ts";
import { cancelledText, requestText } from "../request-text.ts";
import { pong, refusals, refusalText } from "../server-request.ts";
import type { SharedConnection } from "../unplaced-asks.ts";
import { UnplacedAsks } from "../unplaced-asks.ts";
import { within } from "../within.ts";
import type { Described, Wire, WireContext, WireOwner, WireStream } from "../wire.ts";
import type { Endpoint } from "./endpoint.ts";
import { GetStream } from "./get-stream.ts";
import type { HttpPeer } from "./http-call.ts";
import { HttpCall, streamBytesExtra } from "./http-call.ts";
import type { LegacySession } from "./legacy-session.ts";
import { initializeSession } from "./legacy-session.ts";
import { Resumption } from "./resume.ts";
import { SidePosts } from "./side-posts.ts";
import { countSideMessage, tellOwner } from "./tell-owner.ts";

/** For the end of the session. */
const endTimeoutMs = 5_000;
const endBytesMax = 64 * 1024;

/**
 * MCP up to 2025-11-25 over HTTP: a session, made by `initialize` for one set of capabilities. A server that no longer knows the
 * session says 404 before doing anything; then one new session is made for all calls that met this, and each of them is sent once
 * more. What the server has to say beside its answers comes on the stream of a GET.
 */
export class LegacyHttpWire implements Wire, HttpPeer, SharedConnection {
  readonly era = "legacy";
  /** Requests stand alone: what ails one need not ail the next. */
  readonly trouble = null;
  readonly serverName: string;
  readonly depthMax: number;
  readonly clock: Clock;
  private readonly context: WireContext;
  private readonly record: ServerRecord;
  private readonly profile: Profile;
  private readonly endpoint: Endpoint;
  private readonly owner: WireOwner;
  private session: LegacySession;
  private renewing: Promise<LegacySession> | null = null;
  private readonly calls = new Map<number, HttpCall>();
  private readonly sessionOf = new WeakMap<HttpCall, LegacySession>();
  private readonly wasResent = new WeakSet<HttpCall>();
  private readonly resumptions = new WeakMap<HttpCall, Resumption>();
  private readonly audience = new Audience();
  private readonly unplaced = new UnplacedAsks(this);
  private readonly spoken: GetStream;
  private readonly side: SidePosts;
  private readonly stopping = new AbortController();
  private readonly logLevel: LegacyLogLevel;
  private lastId = 0;

  constructor(
    context: WireContext,
    record: ServerRecord,
    profile: Profile,
    endpoint: Endpoint,
    owner: WireOwner,
    session: LegacySession,
  ) {
    this.serverName = record.name;
    this.depthMax = context.limits.messageDepthMax;
    this.clock = context.clock;
    this.context = context;
    this.record = record;
    this.profile = profile;
    this.endpoint = endpoint;
    this.owner = owner;
    this.session = session;
    this.side = new SidePosts(context.clock, endpoint, () => this.onRefused());
    this.logLevel = new LegacyLogLevel(context.clock, this.stopping.signal, (request) =>
      this.sendNew(request),
    );
    this.spoken = new GetStream({
      pool: endpoint.pool,
      path: endpoint.path,
      headers: () => [...endpoint.headers, ...this.session.headers],
      clock: context.clock,
      random: context.random,
      limits: context.limits,
      messageBytesMax: record.resultBytesMax + streamBytesExtra,
      onMessage: (message) => this.onSpoken(message),
      onMissed: () => owner.onMissed("stream"),
    });
  }

  get described(): Described {
    return this.session.described;
  }

  get inFlight(): number {
    return this.calls.size;
  }

  /** Opens the stream on which the server speaks by itself. */
  start(): void {
    this.spoken.start();
  }

  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    const logs = this.session.described.capabilities["logging"] !== undefined;
    const levelSet = logs ? this.logLevel.before(request) : null;
    return levelSet === null ? this.sendNew(request) : levelSet.then(() => this.sendNew(request));
  }

  listen(): WireStream | null {
    return null;
  }

  setParamHeaders(): void {
    // Headers that mirror arguments came with the modern era.
  }

  /** Ends the session at the server (best effort), then the connections. */
  async close(): Promise<void> {
    this.stopping.abort();
    this.spoken.stop();
    try {
      if (this.session.id !== null) await this.endSession();
    } catch {
      // The server is gone or does not end sessions; nothing depends on it.
    } finally {
      await this.endpoint.pool.close();
    }
  }

  private async endSession(): Promise<void> {
    const { path, headers, pool } = this.endpoint;
    await pool.request({
      method: "DELETE",
      path,
      headers: [...headers, ...this.session.headers],
      body: null,
      deadline: deadlineIn(this.clock, endTimeoutMs),
      signal: null,
      responseBytesMax: endBytesMax,
    });
  }

  onSettled(call: HttpCall): void {
    this.calls.delete(call.id);
    this.unplaced.onEnded(call, call.wasAnsweredWell);
    const kind = call.failure?.kind;
    if ((kind === "aborted" || kind === "deadline") && call.failure?.sent === true && !call.wasAdvised) {
      this.post(cancelledText(call.id, "given-up"));
    }
    tellOwner(this.owner, call, this.stopping.signal.aborted);
  }

  /** In a request of its own: the call's connection stays open for the answer. */
  onAdvice(call: HttpCall): void {
    this.post(cancelledText(call.id, "advice"));
  }

  /** On a call's stream, and not the call's. */
  onSideMessage(message: Message): void {
    if (message.kind === "request" && message.method === "ping") this.post(pong(message.id));
    else if (message.kind === "request") this.post(refusalText(message.id, refusals.nobody));
    if (message.kind !== "request" || message.method !== "ping") countSideMessage(this.owner, message);
  }

  onRefused(): void {
    this.owner.onCount("refused-request");
  }

  onUnplaced(): void {
    this.owner.onCount("unplaced");
  }

  /** A server that keeps no sessions cannot even say which of its clients it speaks to on a stream. */
  get isShared(): boolean {
    return this.audience.isShared || this.session.id === null;
  }

  onRepeated(): void {
    this.owner.onCount("repeated");
  }

  takesOver(call: HttpCall, status: number): boolean {
    const used = this.sessionOf.get(call);
    if (status !== 404 || used === undefined || used.id === null || this.wasResent.has(call)) return false;
    if (this.stopping.signal.aborted || this.resumptions.has(call)) return false;
    this.wasResent.add(call);
    void this.resend(call, used);
    return true;
  }

  resumes(call: HttpCall): boolean {
    if (call.lastEventId === null || this.stopping.signal.aborted) return false;
    let resumption = this.resumptions.get(call);
    if (resumption === undefined) {
      resumption = new Resumption(call, this.clock, this.endpoint, () => this.session.headers);
      this.resumptions.set(call, resumption);
    }
    resumption.next(this.serverName);
    return true;
  }

  /** What needs no answer. */
  post(text: string): void {
    if (!this.stopping.signal.aborted) this.side.post(this.endpoint.path, this.session.headers, text);
  }

  /** What the server says by itself. A question here names no call (see `UnplacedAsks`). */
  private onSpoken(message: Message): void {
    if (message.kind === "request") {
      this.unplaced.take(message, this.calls.values());
    } else if (message.kind !== "notification") {
      countSideMessage(this.owner, message);
    } else if (message.method === "notifications/message") {
      if (this.isShared) this.onUnplaced();
      else passSharedLog(this.calls.values(), "legacy", message.params);
    } else if (message.method === "notifications/cancelled") {
      const id = message.params["requestId"];
      if (this.unplaced.withdraw(id)) return;
      for (const call of this.calls.values()) if (call.withdrawAsk(id)) return;
    } else {
      this.owner.onNotification(message.method, message.params);
    }
  }

  private sendNew(request: UpstreamRequest): Promise<UpstreamReply> {
    this.audience.admit(request.caller);
    return new Promise((resolve, reject) => {
      const call = new HttpCall(++this.lastId, request, this, resolve, reject);
      this.calls.set(call.id, call);
      this.send(call);
    });
  }

  private async resend(call: HttpCall, used: LegacySession): Promise<void> {
    const { deadline, signal } = call.request;
    try {
      await within(this.renew(used), { clock: this.clock, deadline, signal, name: this.serverName });
    } catch (error) {
      const fault = faultFrom(error, `${this.serverName}: no new session could be made`);
      const isCallers = fault.code === "cancelled" || fault.code === "deadline-before-dispatch";
      call.fail(isCallers ? fault : new Fault("tool-unavailable", fault.message, { cause: fault }));
      if (!isCallers) this.owner.onSuspect();
      return;
    }
    this.send(call);
  }

  private send(call: HttpCall): void {
    this.sessionOf.set(call, this.session);
    const { request } = call;
    call.sending = this.endpoint.pool.send(
      {
        method: "POST",
        path: this.endpoint.path,
        headers: [...this.endpoint.headers, ...this.session.headers],
        body: requestText(call.id, request, ""),
        deadline: request.deadline,
        signal: request.signal,
        responseBytesMax: request.server.resultBytesMax + streamBytesExtra,
      },
      call,
    );
  }

  /** One renewal serves all who met the same dead session. */
  private async renew(used: LegacySession): Promise<LegacySession> {
    if (this.session !== used) return this.session;
    this.renewing ??= this.makeSession().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  private async makeSession(): Promise<LegacySession> {
    const { context, endpoint, record, profile } = this;
    const deadline = deadlineIn(this.clock, context.limits.connectTimeoutMs);
    this.session = await initializeSession(
      context,
      endpoint,
      record,
      profile,
      deadline,
      this.stopping.signal,
    );
    if (this.stopping.signal.aborted) return this.session;
    this.logLevel.forget();
    this.spoken.restart();
    this.owner.onMissed("session");
    return this.session;
  }
}
