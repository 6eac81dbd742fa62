import { whyNotAsked } from "./ask-rules.ts";
import type { Ask, AskAnswer, JsonRpcError, UpstreamRequest } from "./exchange.ts";
import type { ServerRequest } from "./message.ts";
import { isObject } from "./message.ts";
import { answerText, refusals, refusalText } from "./server-request.ts";

/** In one call: a dialogue with a person has a dozen questions, an agent that samples has more. */
const asksMax = 256;
/** At once: a person answers one, a model a few. */
const openMax = 8;

/** What the questions of a call need from the connection. */
export interface AskPost {
  /** Sends the answer to a question; what comes of it is of no interest. */
  post(text: string): void;
  onRefused(): void;
  onRepeated(): void;
}

/**
 * The questions that a legacy server asks in one call. Each is answered once, by the call's own caller or with a refusal, and none
 * after the call has ended.
 */
export class CallAsks {
  private readonly request: UpstreamRequest;
  private readonly connection: AskPost;
  /** By the server's ids; the value tells one question from a later one under the same id. */
  private readonly open = new Map<ServerRequest["id"], symbol>();
  private asked = 0;
  private hasEnded = false;

  constructor(request: UpstreamRequest, connection: AskPost) {
    this.request = request;
    this.connection = connection;
  }

  take(message: ServerRequest): void {
    if (this.open.has(message.id)) {
      // A second answer under one id would be taken for the first.
      this.connection.onRepeated();
      return;
    }
    const ask = { method: message.method, params: withoutToken(message.params) };
    const { onAsk } = this.request;
    const refusal = this.whyNot() ?? whyNotAsked(ask, message.chars, this.request.profile);
    if (refusal !== null || onAsk === null) {
      this.refuse(message.id, refusal ?? refusals.nobody);
      return;
    }
    this.asked++;
    const question = Symbol();
    this.open.set(message.id, question);
    void answerOf(onAsk, ask).then((answer) => {
      // Withdrawn by the server, or refused because the call has ended: the answer goes nowhere.
      if (this.open.get(message.id) !== question) return;
      this.open.delete(message.id);
      if (answer.kind === "answer") this.connection.post(answerText(message.id, answer.result));
      else this.connection.post(refusalText(message.id, answer.error));
    });
  }

  /** The server no longer waits for the answer. */
  withdraw(id: unknown): boolean {
    return (typeof id === "string" || typeof id === "number") && this.open.delete(id);
  }

  /** The call has ended: what is still open is refused. */
  end(): void {
    this.hasEnded = true;
    const ids = [...this.open.keys()];
    this.open.clear();
    for (const id of ids) this.connection.post(refusalText(id, refusals.gone));
  }

  private whyNot(): JsonRpcError | null {
    const { signal, advice } = this.request;
    if (this.hasEnded || signal.aborted || advice?.aborted === true) return refusals.gone;
    return this.asked >= asksMax || this.open.size >= openMax ? refusals.tooMany : null;
  }

  private refuse(id: ServerRequest["id"], error: JsonRpcError): void {
    this.connection.onRefused();
    this.connection.post(refusalText(id, error));
  }
}

/** Progress of an answer is carried by nobody, so it is not asked for either. */
function withoutToken(params: Ask["params"]): Ask["params"] {
  const meta = params["_meta"];
  if (!isObject(meta) || meta["progressToken"] === undefined) return params;
  const { progressToken: _theirs, ...rest } = meta;
  return { ...params, _meta: rest };
}

/** Never rejects: a listener of ours that throws is a client that cannot be asked. */
async function answerOf(onAsk: (ask: Ask) => Promise<AskAnswer>, ask: Ask): Promise<AskAnswer> {
  try {
    return await onAsk(ask);
  } catch {
    return { kind: "refused", error: refusals.failed };
  }
}
