import type { McpResponse } from "../exchange.ts";
import type { CancelTimer } from "../../base/index.ts";
import type { Refusal, ReceiptReference } from "../../../contract/index.ts";
import type { EventStream } from "../sse.ts";
import { refusalError } from "../wire.ts";
import type { AnswerStreamContext } from "./answer-stream.ts";
import { openAnswerStream } from "./answer-stream.ts";
import type { Resumable, Resumptions } from "./resumptions.ts";
import type { Session } from "./session-ids.ts";

/** 2025-11-25, server/resources, "Error Handling": the newer era gave this case the number of any wrong parameter. */
const resourceNotFound = -32_002;
/** Those of the core; the Skills extension has the newer number in both eras. */
const resourceMethods: ReadonlySet<string> = new Set(["resources/read", "resources/subscribe"]);

export interface ReplyContext extends AnswerStreamContext {
  readonly sessions: { readonly resumptions: Resumptions };
}

/**
 * The answer to one request: JSON, unless something has to be said before it or it is long in coming; then a stream, with the
 * answer last. In this era a refused request is a JSON-RPC error under HTTP 200: older clients read no other bodies. A client of
 * 2025-11-25 whose stream breaks can come back for the answer.
 */
export class Reply implements Resumable {
  private readonly context: ReplyContext;
  private readonly session: Session;
  private response: McpResponse;
  private readonly id: string | number;
  private readonly method: string;
  private stream: EventStream | null = null;
  /** null = nobody can come back for it. */
  private name: string | null = null;
  private cancelTimer: CancelTimer | null = null;
  private isOver = false;

  constructor(
    context: ReplyContext,
    response: McpResponse,
    session: Session,
    { id, method }: { readonly id: string | number; readonly method: string },
  ) {
    this.context = context;
    this.response = response;
    this.session = session;
    this.id = id;
    this.method = method;
  }

  /** Proxies cut what says nothing, so a call that takes long becomes a stream by itself. */
  expectToWait(): void {
    this.cancelTimer = this.context.options.clock.after(this.context.bounds.keepAliveCommentMs, () =>
      this.open(),
    );
  }

  /** A message before the answer. False = it cannot be heard. */
  offer(json: string): boolean {
    return this.open()?.offer(json) ?? false;
  }

  /** The same, but not worth a stream of its own. */
  offerIfOpen(json: string): void {
    if (!this.isOver) this.stream?.offer(json);
  }

  result(text: string): void {
    const { id } = this;
    this.end(`{"jsonrpc":"2.0","id":${typeof id === "number" ? id : JSON.stringify(id)},"result":${text}}`);
  }

  refuse(refusal: Refusal, receipt: ReceiptReference | null = null): void {
    if (this.isOver) return;
    this.context.options.metrics.countEdgeRefusal(refusal.code);
    const error = refusalError(refusal, receipt);
    const isMissing = refusal.code === "unknown-resource" && resourceMethods.has(this.method);
    const code = isMissing ? resourceNotFound : error.code;
    this.end(JSON.stringify({ jsonrpc: "2.0", id: this.id, error: { ...error, code } }));
  }

  /** No answer is wanted any more. */
  abandon(): void {
    if (!this.finish()) return;
    if (this.name !== null) this.context.sessions.resumptions.drop(this.name);
    if (this.stream === null) this.context.responder.empty(this.response, "legacy", 202);
    else this.response.end();
  }

  /** The client came back: what comes from now on is said there, and on the broken stream nothing any more. */
  resume(response: McpResponse): void {
    this.response.destroy();
    this.response = response;
    this.stream = openAnswerStream(this.context, response, this.name);
  }

  private end(body: string): void {
    if (!this.finish()) return;
    if (this.stream === null) {
      this.context.responder.json(this.response, "legacy", 200, body);
      return;
    }
    this.stream.end(body);
    if (this.name !== null) this.context.sessions.resumptions.keep(this.name, body);
  }

  /** False = it was over already. */
  private finish(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.cancelTimer?.();
    return true;
  }

  /** null = the answer is out, or the client has gone. */
  private open(): EventStream | null {
    if (this.isOver || this.response.destroyed) return null;
    if (this.stream === null) {
      this.cancelTimer?.();
      this.name = this.nameForStream();
      this.stream = openAnswerStream(this.context, this.response, this.name);
    }
    return this.stream;
  }

  /** Clients of earlier revisions take an event without data for a broken message. */
  private nameForStream(): string | null {
    const { context, session } = this;
    return session.version === "2025-11-25" ? context.sessions.resumptions.begin(session.key, this) : null;
  }
}
