import type { Clock } from "../../base/index.ts";
import type { Profile, ServerRecord } from "../../registry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../exchange.ts";
import type { Message } from "../message.ts";
import { ownRequest } from "../own-request.ts";
import { modernEnvelope, modernVersion, requestText } from "../request-text.ts";
import type { Described, StreamListener, Wire, WireContext, WireOwner, WireStream } from "../wire.ts";
import type { Endpoint } from "./endpoint.ts";
import { headerValue } from "./header-value.ts";
import type { HttpPeer } from "./http-call.ts";
import { HttpCall, streamBytesExtra } from "./http-call.ts";
import { ListenStream } from "./listen-stream.ts";
import type { ParamHeader } from "./param-headers.ts";
import { paramHeaderValues } from "./param-headers.ts";
import { countSideMessage, tellOwner } from "./tell-owner.ts";

/** MCP 2026-07-28 over HTTP: every request stands alone; withdrawing one is closing its connection. */
export class ModernHttpWire implements Wire, HttpPeer {
  readonly era = "modern";
  /** Requests stand alone: what ails one need not ail the next. */
  readonly trouble = null;
  readonly serverName: string;
  readonly depthMax: number;
  readonly clock: Clock;
  inFlight = 0;
  /** Set by whoever asked `server/discover`. */
  described: Described | null = null;
  private readonly record: ServerRecord;
  private readonly endpoint: Endpoint;
  private readonly owner: WireOwner;
  private readonly baseHeaders: readonly string[];
  private readonly envelope: string;
  private paramHeaders: ReadonlyMap<string, readonly ParamHeader[]> = new Map();
  private lastId = 0;
  private isClosed = false;

  constructor(context: WireContext, record: ServerRecord, endpoint: Endpoint, owner: WireOwner) {
    this.serverName = record.name;
    this.depthMax = context.limits.messageDepthMax;
    this.clock = context.clock;
    this.record = record;
    this.endpoint = endpoint;
    this.owner = owner;
    this.baseHeaders = [...endpoint.headers, "mcp-protocol-version", modernVersion, "mcp-method"];
    this.envelope = modernEnvelope(context.clientVersion);
  }

  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      const call = new HttpCall(id, request, this, resolve, reject);
      this.inFlight++;
      call.sending = this.endpoint.pool.send(
        {
          method: "POST",
          path: this.endpoint.path,
          headers: this.headersOf(request),
          body: requestText(id, request, this.envelope),
          deadline: request.deadline,
          signal: request.signal,
          responseBytesMax: request.server.resultBytesMax + streamBytesExtra,
        },
        call,
      );
    });
  }

  listen(paramsText: string, profile: Profile, listener: StreamListener): WireStream {
    const id = ++this.lastId;
    const request = ownRequest(
      this.record,
      "subscriptions/listen",
      paramsText,
      { at: this.clock.monotonic() }, // not sent: a stream has no deadline
      neverAborts,
      profile,
    );
    const stream = new ListenStream(id, this.serverName, this.depthMax, listener);
    stream.sending = this.endpoint.pool.stream(
      {
        method: "POST",
        path: this.endpoint.path,
        headers: this.headersOf(request),
        body: requestText(id, request, this.envelope),
      },
      stream,
    );
    return stream;
  }

  setParamHeaders(headers: ReadonlyMap<string, readonly ParamHeader[]>): void {
    this.paramHeaders = headers;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.endpoint.pool.close();
  }

  onSettled(call: HttpCall): void {
    this.inFlight--;
    tellOwner(this.owner, call, this.isClosed);
  }

  onAdvice(): void {
    // The server could only be told by closing the connection; that would end our listening, and leave the outcome unknown.
  }

  /** A modern server asks nothing on a stream; what it notifies besides progress has no listener here. */
  onSideMessage(message: Message): void {
    countSideMessage(this.owner, message);
  }

  /** Never in this era: a server asks by its results, and sessions and resumed streams are gone. */
  takesOver(): boolean {
    return false;
  }

  resumes(): boolean {
    return false;
  }

  post(): void {
    // Nothing is posted beside requests.
  }

  onRefused(): void {
    this.owner.onCount("refused-request");
  }

  onRepeated(): void {
    this.owner.onCount("repeated");
  }

  private headersOf(request: UpstreamRequest): string[] {
    const headers = [...this.baseHeaders, request.method];
    if (request.name === null) return headers;
    headers.push("mcp-name", headerValue(request.name));
    const params = this.paramHeaders.get(request.name);
    if (params !== undefined && request.method === "tools/call") {
      headers.push(...paramHeaderValues(params, request.argumentsText));
    }
    return headers;
  }
}

const neverAborts = new AbortController().signal;
