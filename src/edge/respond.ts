import type { Clock } from "../base/index.ts";
import type { Log, Metrics, EdgeFace } from "../telemetry/index.ts";
import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import { Cohort, explain, faultFrom } from "../base/index.ts";
import type { McpRequest, McpResponse } from "./exchange.ts";
import type { RequestId } from "./wire.ts";
import { errorBody, httpStatusOf, retryAfterSeconds } from "./wire.ts";

/** What every answer needs: where it goes, and how it is counted. */
export class Responder {
  private readonly metrics: Metrics;
  private readonly log: Log;
  readonly clock: Clock;
  /** Answers that are ready in one turn leave together. For those of the hot path; nothing else is held up by anything. */
  readonly leaving = new Cohort<() => void>((send) => send());
  /** While true, every answer says that the connection ends with it. */
  private isClosing = false;

  constructor(options: { metrics: Metrics; log: Log; clock: Clock }) {
    this.metrics = options.metrics;
    this.log = options.log;
    this.clock = options.clock;
  }

  closeConnectionsFromNowOn(): void {
    this.isClosing = true;
  }

  get closeHeader(): readonly string[] {
    return this.isClosing ? closeHeader : noHeaders;
  }

  /** `text` leaves as UTF-8. Headers are a flat list: node writes it without making an object first. */
  send(
    response: McpResponse,
    face: EdgeFace,
    status: number,
    contentType: string,
    text: string,
    headers: readonly string[] = noHeaders,
  ): void {
    this.metrics.countEdgeRequest(face, status);
    if (response.headersSent || response.destroyed) return;
    const bytes = Buffer.byteLength(text);
    const own = ["Content-Type", contentType, "Content-Length", `${bytes}`];
    response.writeHead(
      status,
      headers === noHeaders && !this.isClosing ? own : [...headers, ...this.closeHeader, ...own],
    );
    // As many bytes as characters: it is ASCII, which is the same in both and needs no looking at when it is called Latin-1.
    response.end(text, bytes === text.length ? "latin1" : "utf8");
  }

  json(
    response: McpResponse,
    face: EdgeFace,
    status: number,
    text: string,
    headers?: readonly string[],
  ): void {
    this.send(response, face, status, "application/json", text, headers);
  }

  empty(response: McpResponse, face: EdgeFace, status: number, headers: readonly string[] = noHeaders): void {
    this.metrics.countEdgeRequest(face, status);
    if (response.headersSent || response.destroyed) return;
    response.writeHead(status, [...headers, ...this.closeHeader, "Content-Length", "0"]);
    response.end();
  }

  /** A refusal as a JSON-RPC error under its code's HTTP status. */
  refuse(
    response: McpResponse,
    face: EdgeFace,
    refusal: Refusal,
    more: {
      readonly id?: RequestId;
      readonly receipt?: ReceiptReference | null;
      readonly data?: Readonly<Record<string, unknown>>;
      readonly headers?: readonly string[];
    } = {},
  ): void {
    this.metrics.countEdgeRefusal(refusal.code);
    const seconds = retryAfterSeconds(refusal.code);
    const headers = [
      ...(more.headers ?? noHeaders),
      ...(seconds === null ? noHeaders : ["Retry-After", `${seconds}`]),
    ];
    const body = errorBody(more.id ?? null, refusal, more.receipt ?? null, more.data);
    this.json(response, face, httpStatusOf(refusal.code), body, headers);
  }

  /** Refuses a request whose body was not read. A small rest is read away; a large one is not worth it, so the connection ends. */
  refuseUnread(
    request: McpRequest,
    response: McpResponse,
    face: EdgeFace,
    refusal: Refusal,
    headers: readonly string[] = noHeaders,
  ): void {
    const length = Number(request.headers["content-length"] ?? Number.NaN);
    const hasBody = request.headers["transfer-encoding"] !== undefined || length > 0;
    const isSmall = !hasBody || length <= unreadBytesMax;
    this.refuse(response, face, refusal, { headers: isSmall ? headers : [...headers, ...closeHeader] });
    if (!isSmall) closeAfter(request, this.clock);
  }

  /** Something of ours failed: counted, logged with its chain, and told without its particulars. */
  fail(response: McpResponse, face: EdgeFace, doing: string, thrown: unknown, id: RequestId = null): void {
    this.log.error("the edge failed to answer a request", { doing, reason: explain(thrown), error: thrown });
    this.refuse(response, face, { code: faultFrom(thrown, doing).code, detail: "" }, { id });
    // An answer that had begun cannot become another one; a cut connection says that it is not whole.
    if (response.headersSent && !response.writableEnded) response.destroy();
  }
}

/** What we read away to keep a connection usable: less than it costs to open a new one. */
const unreadBytesMax = 64 * 1024;
const noHeaders: readonly string[] = [];
export const closeHeader: readonly string[] = ["Connection", "close"];

/** How long a client that is still sending may take to read the answer. */
const lingerMs = 1_000;

/**
 * Ends the connection once the answer is out; what the client still sends is read and dropped for a moment. A socket closed with
 * unread data resets, and a reset overtakes the answer: the client would see a lost connection instead of why.
 */
export function closeAfter(request: McpRequest, clock: Clock): void {
  const { socket } = request;
  if ("resume" in request) request.resume();
  // What the HTTP server calls after the last answer of a connection; by itself it closes at once.
  socket.destroySoon = () => {
    socket.end();
    const cancel = clock.after(lingerMs, () => socket.destroy());
    socket.once("close", cancel);
  };
}
