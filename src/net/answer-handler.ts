import type { ResponseHeaders } from "./http-request.ts";

/** Whoever reads the answer from the connection. A dispatch controller of undici is one. */
export interface AnswerReader {
  /** The connection is given up. Nothing more is told that matters. */
  abort(reason: Error): void;
}

/**
 * What happens to a request that was handed to a connection, in order: onRequestStart, onResponseStart*, onResponseData*, then one of
 * onResponseEnd and onResponseError. The names are undici's, so that a dispatch handler of it is one.
 */
export interface AnswerHandler {
  /** Directly before the first byte leaves, in the same turn. Throws = it must not be sent. */
  onRequestStart(reader: AnswerReader): void;
  onResponseStart(reader: AnswerReader, status: number, headers: ResponseHeaders): void;
  onResponseData(reader: AnswerReader, chunk: Buffer): void;
  onResponseEnd(): void;
  /** null = it was not sent. */
  onResponseError(reader: AnswerReader | null, error: Error): void;
}
