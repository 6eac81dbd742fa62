import type { Deadline } from "../base/index.ts";
import type { NetFailure } from "./failure.ts";

/** Lower-case names, as received. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface HttpRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Path and query. */
  readonly path: string;
  /** name, value, name, value … */
  readonly headers: readonly string[];
  readonly body: string | Buffer | null;
  readonly deadline: Deadline;
  readonly signal: AbortSignal | null;
  readonly responseBytesMax: number;
}

/** A request whose answer stays open; see `HttpPool.stream`. */
export type StreamRequest = Omit<HttpRequest, "deadline" | "signal" | "responseBytesMax">;

/** What happens to a request, in order: mayStart, onHeaders, onData*, then exactly one of onEnd and onFailure. */
export interface HttpSink {
  /** Called directly before the first byte leaves. False = it must not be sent; ends with `forbidden`. */
  mayStart(): boolean;
  onHeaders(status: number, headers: ResponseHeaders): void;
  onData(chunk: Buffer): void;
  /** Called every 20 ms or so between the first byte's leaving and the end: for what is not worth a listener per request. */
  onWaiting?(): void;
  onEnd(): void;
  onFailure(failure: NetFailure): void;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}
