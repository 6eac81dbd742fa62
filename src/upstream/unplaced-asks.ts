import type { AskPost, CallAsks } from "./call-asks.ts";
import type { UpstreamRequest } from "./exchange.ts";
import type { ServerRequest } from "./message.ts";
import { pong, refusals, refusalText } from "./server-request.ts";

/** A call that is open on a connection, as far as questions are concerned. */
export interface AskedCall {
  readonly request: UpstreamRequest;
  /** Made when first needed. */
  readonly asks: CallAsks;
}

/** What such questions need from the connection they came on. */
export interface SharedConnection extends AskPost {
  /** Several callers' calls went over it (see `Audience`). */
  readonly isShared: boolean;
  /** Nobody may be told of it. */
  onUnplaced(): void;
}

/** Questions at once of which it is not known whose they are. */
const waitingMax = 32;
/** What a server may ask back in. Our own probes and listings are not among them. */
const governed: ReadonlySet<string> = new Set([
  "tools/call",
  "resources/read",
  "prompts/get",
  "completion/complete",
  "skills/get",
  "resources/directory/read",
]);

interface Waiting {
  readonly message: ServerRequest;
  /** The calls that were open when it was asked, less those that have ended since. */
  readonly candidates: Set<AskedCall>;
}

/**
 * Questions on a stream that many calls share (stdio, HTTP+SSE, the GET stream of Streamable HTTP): nothing in the older protocol says
 * which call a question belongs to. One caller must never see what a server wants to know from another, so where several callers have
 * called (see `Audience`) nobody is asked. Of one caller's calls it can only be one that was open when it was asked. If there is one,
 * it is that; if there are several, the question waits until the others have been answered, because a server does not finish a call
 * in which it waits for an answer. When a candidate ends in any other way, that may be why, and nobody is asked.
 */
export class UnplacedAsks {
  private readonly connection: SharedConnection;
  private readonly waiting = new Map<ServerRequest["id"], Waiting>();

  constructor(connection: SharedConnection) {
    this.connection = connection;
  }

  take(message: ServerRequest, open: Iterable<AskedCall>): void {
    if (message.method === "ping") {
      this.connection.post(pong(message.id));
      return;
    }
    if (this.connection.isShared) {
      this.connection.onUnplaced();
      this.connection.post(refusalText(message.id, refusals.unplaced));
      return;
    }
    if (this.waiting.has(message.id)) {
      this.connection.onRepeated();
      return;
    }
    const candidates = new Set<AskedCall>();
    for (const call of open) if (governed.has(call.request.method)) candidates.add(call);
    if (candidates.size > 1 && this.waiting.size < waitingMax)
      this.waiting.set(message.id, { message, candidates });
    else this.place(message, candidates);
  }

  /** `isAnswered`: with a result that is no error. */
  onEnded(call: AskedCall, isAnswered: boolean): void {
    for (const { message, candidates } of this.waiting.values()) {
      if (!candidates.delete(call)) continue;
      if (!isAnswered) candidates.clear();
      if (candidates.size > 1) continue;
      this.waiting.delete(message.id);
      this.place(message, candidates);
    }
  }

  /** The server no longer waits for the answer. */
  withdraw(id: unknown): boolean {
    return (typeof id === "string" || typeof id === "number") && this.waiting.delete(id);
  }

  private place(message: ServerRequest, candidates: ReadonlySet<AskedCall>): void {
    const [only] = candidates;
    if (only !== undefined && candidates.size === 1) {
      only.asks.take(message);
      return;
    }
    this.connection.onRefused();
    this.connection.post(refusalText(message.id, refusals.nobody));
  }
}
