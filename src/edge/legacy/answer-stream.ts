import type { McpResponse } from "../exchange.ts";
import type { Clock } from "../../base/index.ts";
import type { Metrics } from "../../telemetry/index.ts";
import type { EdgeBounds } from "../options.ts";
import type { Responder } from "../respond.ts";
import { EventStream } from "../sse.ts";

/** For clients whose stream broke: soon enough for a person, and not at once for a hundred of them. */
const retryMs = 1_000;

export interface AnswerStreamContext {
  readonly options: { readonly clock: Clock; readonly metrics: Metrics };
  readonly responder: Responder;
  readonly bounds: Pick<EdgeBounds, "keepAliveCommentMs" | "streamBytesWaitingMax">;
}

/** The stream on which a request is answered. Its first event names it; null = nobody can come back for it. */
export function openAnswerStream(
  { options, bounds, responder }: AnswerStreamContext,
  response: McpResponse,
  name: string | null,
): EventStream {
  options.metrics.countEdgeRequest("legacy", 200);
  const stream = new EventStream(response, {
    clock: options.clock,
    keepAliveMs: bounds.keepAliveCommentMs,
    bytesWaitingMax: bounds.streamBytesWaitingMax,
    headers: responder.closeHeader,
  });
  if (name !== null) stream.name(name, retryMs);
  return stream;
}
