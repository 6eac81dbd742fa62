import type { Clock } from "../../base/index.ts";
import { deadlineIn } from "../../base/index.ts";
import type { HttpPool, HttpRequest, HttpResponse, HttpSink, StreamRequest } from "../../net/index.ts";
import { AuthorizedSending } from "./authorized-sending.ts";
import type { ServerAuthorization } from "./server-authorization.ts";

/** What a wire needs of its connections; a plain pool is one. */
export interface EndpointPool {
  send(request: HttpRequest, sink: HttpSink): { finish(): void };
  /** For an answer that stays open; see `HttpPool.stream`. */
  stream(request: StreamRequest, sink: HttpSink): { finish(): void };
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** A stream outlives its token by far, but not without end: who wants it opens it anew. */
const streamMsMax = 24 * 60 * 60 * 1_000;

/** A pool whose every request carries the server's own token. */
export class AuthorizedPool implements EndpointPool {
  private readonly pool: HttpPool;
  private readonly authorization: ServerAuthorization;
  private readonly clock: Clock;

  constructor(pool: HttpPool, authorization: ServerAuthorization, clock: Clock) {
    this.pool = pool;
    this.authorization = authorization;
    this.clock = clock;
  }

  send(request: HttpRequest, sink: HttpSink): { finish(): void } {
    const sending = new AuthorizedSending(this.pool, this.authorization, this.clock, request, sink);
    sending.start();
    return sending;
  }

  stream(request: StreamRequest, sink: HttpSink): { finish(): void } {
    const bounded = {
      ...request,
      deadline: deadlineIn(this.clock, streamMsMax),
      signal: null,
      responseBytesMax: Number.MAX_SAFE_INTEGER, // the sink bounds each message
    };
    return this.send(bounded, sink);
  }

  request(request: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let status = 0;
      let headers: HttpResponse["headers"] = {};
      this.send(request, {
        mayStart: () => true,
        onHeaders: (receivedStatus, receivedHeaders) => {
          status = receivedStatus;
          headers = receivedHeaders;
        },
        onData: (chunk) => chunks.push(chunk),
        onEnd: () => resolve({ status, headers, body: Buffer.concat(chunks) }),
        onFailure: reject,
      });
    });
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
