import type { Clock } from "../../base/index.ts";
import { deadlineIn, Fault, faultFrom } from "../../base/index.ts";
import type { HttpRequest } from "../../net/index.ts";
import type { ServerRecord } from "../../registry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import type { Message } from "../message.ts";
import { cancelledText, requestText } from "../request-text.ts";
import { answerToServerRequest } from "../server-request.ts";
import { within } from "../within.ts";
import type { Wire, WireContext, WireOwner } from "../wire.ts";
import type { Endpoint } from "./endpoint.ts";
import type { HttpPeer } from "./http-call.ts";
import { HttpCall, streamBytesExtra } from "./http-call.ts";
import type { LegacySession } from "./legacy-session.ts";
import { initializeSession } from "./legacy-session.ts";
import { countSideMessage, tellOwner } from "./tell-owner.ts";

/** For what we post beside calls: withdrawals, answers to the server, the end of the session. */
const sideTimeoutMs = 5_000;
const sideAnswerBytesMax = 64 * 1024;

/**
 * MCP up to 2025-11-25 over HTTP: a session, made by `initialize`. A server that no longer knows the session says 404 before
 * doing anything; then one new session is made for all calls that met this, and each of them is sent once more.
 */
export class LegacyHttpWire implements Wire, HttpPeer {
  readonly era = "legacy";
  /** Requests stand alone: what ails one need not ail the next. */
  readonly trouble = null;
  readonly serverName: string;
  readonly depthMax: number;
  readonly clock: Clock;
  inFlight = 0;
  private readonly context: WireContext;
  private readonly endpoint: Endpoint;
  private readonly owner: WireOwner;
  private session: LegacySession;
  private renewing: Promise<LegacySession> | null = null;
  private readonly sessionOf = new WeakMap<HttpCall, LegacySession>();
  private readonly wasResent = new WeakSet<HttpCall>();
  private readonly stopping = new AbortController();
  private lastId = 0;

  constructor(
    context: WireContext,
    record: ServerRecord,
    endpoint: Endpoint,
    owner: WireOwner,
    session: LegacySession,
  ) {
    this.serverName = record.name;
    this.depthMax = context.limits.messageDepthMax;
    this.clock = context.clock;
    this.context = context;
    this.endpoint = endpoint;
    this.owner = owner;
    this.session = session;
  }

  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    return new Promise((resolve, reject) => {
      const call = new HttpCall(++this.lastId, request, this, resolve, reject);
      this.inFlight++;
      this.send(call);
    });
  }

  setParamHeaders(): void {
    // Headers that mirror arguments came with the modern era.
  }

  /** Ends the session at the server (best effort), then the connections. */
  async close(): Promise<void> {
    this.stopping.abort();
    try {
      if (this.session.id !== null) await this.endpoint.pool.request(this.sideRequest("DELETE", null));
    } catch {
      // The server is gone or does not end sessions; nothing depends on it.
    } finally {
      await this.endpoint.pool.close();
    }
  }

  onSettled(call: HttpCall): void {
    this.inFlight--;
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

  onSideMessage(message: Message): void {
    if (message.kind === "request") this.post(answerToServerRequest(message));
    if (message.kind !== "request" || message.method !== "ping") countSideMessage(this.owner, message);
  }

  takesOver(call: HttpCall, status: number): boolean {
    const used = this.sessionOf.get(call);
    if (status !== 404 || used === undefined || used.id === null || this.wasResent.has(call)) return false;
    if (this.stopping.signal.aborted) return false;
    this.wasResent.add(call);
    void this.resend(call, used);
    return true;
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
    this.renewing ??= initializeSession(
      this.context,
      this.endpoint,
      this.serverName,
      deadlineIn(this.clock, this.context.limits.connectTimeoutMs),
      this.stopping.signal,
    );
    try {
      this.session = await this.renewing;
      return this.session;
    } finally {
      this.renewing = null;
    }
  }

  /** What needs no answer. */
  private post(text: string): void {
    this.endpoint.pool.request(this.sideRequest("POST", text)).catch(() => undefined);
  }

  private sideRequest(method: "POST" | "DELETE", body: string | null): HttpRequest {
    return {
      method,
      path: this.endpoint.path,
      headers: [...this.endpoint.headers, ...this.session.headers],
      body,
      deadline: deadlineIn(this.clock, sideTimeoutMs),
      signal: null,
      responseBytesMax: sideAnswerBytesMax,
    };
  }
}
