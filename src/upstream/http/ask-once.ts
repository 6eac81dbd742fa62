import type { HttpRequest, NetFailure, ResponseHeaders } from "../../net/index.ts";
import type { Message } from "../message.ts";
import { readMessage, readMessageBytes } from "../message.ts";
import type { Endpoint } from "./endpoint.ts";
import { EventReader } from "./event-reader.ts";

export interface Asked {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** What answers the request; null = nothing does. */
  readonly message: Message | null;
}

/** One POST and the message that answers `id`, sent as JSON or as an event of a stream that may stay open. Rejects with a NetFailure. */
export function askOnce(
  pool: Endpoint["pool"],
  request: HttpRequest,
  id: number,
  depthMax: number,
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: ResponseHeaders = {};
    let events: EventReader | null = null;
    const chunks: Buffer[] = [];
    const done = (message: Message | null): void => resolve({ status, headers, message });
    const sending = pool.send(request, {
      mayStart: () => true,
      onHeaders: (receivedStatus, receivedHeaders) => {
        status = receivedStatus;
        headers = receivedHeaders;
        if (!typeOf(headers).startsWith("text/event-stream")) return;
        events = new EventReader({
          charsMax: request.responseBytesMax,
          onEvent: ({ data }) => {
            const message = readMessage(data, depthMax);
            const isAnswer = message.kind === "result" || message.kind === "error";
            if (!isAnswer || message.id !== id) return;
            done(message);
            sending.finish();
          },
          onRetry: () => undefined,
          onTooLong: () => undefined, // the whole is bounded
        });
      },
      onData: (chunk) => {
        if (events === null) chunks.push(chunk);
        else if (!events.feed(chunk)) {
          done(null);
          sending.finish();
        }
      },
      onEnd: () => {
        const isJson = typeOf(headers).startsWith("application/json");
        done(isJson ? readMessageBytes(Buffer.concat(chunks), depthMax) : null);
      },
      onFailure: (failure: NetFailure) => reject(failure),
    });
  });
}

const typeOf = (headers: ResponseHeaders): string => String(headers["content-type"] ?? "").toLowerCase();
