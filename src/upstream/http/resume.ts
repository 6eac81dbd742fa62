import type { Clock } from "../../base/index.ts";
import { Fault, remainingMs } from "../../base/index.ts";
import type { HttpSink } from "../../net/index.ts";
import { NetFailure, onAbort } from "../../net/index.ts";
import { cancelledFault, deadlineFault } from "../trouble.ts";
import type { Endpoint } from "./endpoint.ts";
import type { HttpCall } from "./http-call.ts";
import { streamBytesExtra } from "./http-call.ts";

/** Where the server says nothing, as browsers do. */
const retryMsDefault = 1_000;
/** A server that says 0 would be asked in a loop. */
const retryMsMin = 20;
/** In a row without a connection: then the server is gone, and what became of the call is unknown. */
const failuresMax = 5;

/**
 * Fetches the rest of a call's event stream that ended before its answer: GET with the id of the last event, after the time that the
 * server asked for, again and again until the call's deadline (MCP 2025-11-25, resumability and polling). The POST is never sent
 * again. Only streams whose events have ids can be resumed.
 */
export class Resumption {
  private readonly call: HttpCall;
  private readonly clock: Clock;
  private readonly endpoint: Endpoint;
  /** Of the session, asked anew each time. */
  private readonly headers: () => readonly string[];
  private failures = 0;

  constructor(call: HttpCall, clock: Clock, endpoint: Endpoint, headers: () => readonly string[]) {
    this.call = call;
    this.clock = clock;
    this.endpoint = endpoint;
    this.headers = headers;
  }

  /** Called when the stream has ended. */
  next(serverName: string): void {
    const { request } = this.call;
    const waitMs = Math.max(retryMsMin, this.call.retryMs ?? retryMsDefault);
    const leftMs = remainingMs(this.clock, request.deadline);
    const forget = onAbort(request.signal, () => {
      cancel();
      this.call.fail(cancelledFault(serverName, true));
    });
    const cancel = this.clock.after(Math.min(waitMs, leftMs), () => {
      forget();
      if (this.call.isSettled) return;
      if (remainingMs(this.clock, request.deadline) === 0) this.call.fail(deadlineFault(serverName, true));
      else this.get(serverName);
    });
  }

  private get(serverName: string): void {
    const { call } = this;
    const { request } = call;
    const sink: HttpSink = {
      mayStart: () => !call.isSettled,
      onHeaders: (status, headers) => {
        const isStream = String(headers["content-type"] ?? "")
          .toLowerCase()
          .startsWith("text/event-stream");
        if (status === 200 && isStream) {
          this.failures = 0;
          call.onHeaders(status, headers);
          return;
        }
        call.sending?.finish();
        call.fail(
          new Fault(
            "upstream-lost",
            `${serverName} ended the stream and does not resume it (HTTP ${status})`,
          ),
        );
      },
      onData: (chunk) => call.onData(chunk),
      onWaiting: () => call.onWaiting(),
      onEnd: () => call.onEnd(),
      onFailure: (failure) => this.onFailure(failure, serverName),
    };
    call.sending = this.endpoint.pool.send(
      {
        method: "GET",
        path: this.endpoint.path,
        headers: [...this.endpoint.headers, ...this.headers(), "last-event-id", call.lastEventId ?? ""],
        body: null,
        deadline: request.deadline,
        signal: request.signal,
        responseBytesMax: request.server.resultBytesMax + streamBytesExtra,
      },
      sink,
    );
  }

  private onFailure(failure: NetFailure, serverName: string): void {
    const { call } = this;
    if (call.isSettled) return;
    const isOver = failure.kind === "aborted" || failure.kind === "deadline" || failure.kind === "too-large";
    if (!isOver && failure.kind !== "closed" && ++this.failures < failuresMax) {
      this.next(serverName);
      return;
    }
    // The POST was sent, whatever became of this GET.
    const kind = isOver ? failure.kind : "lost";
    call.onFinalFailure(new NetFailure(kind, true, failure.message, failure));
  }
}
