import type { McpResponse } from "../exchange.ts";
import type { ModernMessage } from "../classify.ts";
import { envelopeKeys } from "../envelope.ts";
import type { ListenHub } from "../listen-hub.ts";
import type { EdgeBounds, EdgeOptions } from "../options.ts";
import type { Profiles } from "../profiles.ts";
import type { Profile } from "../../registry/index.ts";
import type { Responder } from "../respond.ts";

/** What every modern request is answered with. */
export interface ModernContext {
  readonly options: EdgeOptions;
  readonly bounds: EdgeBounds;
  readonly responder: Responder;
  readonly profiles: Profiles;
  readonly hub: ListenHub;
}

/** What the client declared with this request: of this era nothing is remembered from an earlier one. */
export const declaredProfile = (context: ModernContext, message: ModernMessage): Profile =>
  context.profiles.of(message.meta[envelopeKeys.clientCapabilities]);

/**
 * Aborts when the client goes away before it has its answer. A function of its own, so that what listens holds the response and
 * nothing else of the request: a response that grows old in a slow call would keep all of it for the collector to copy.
 */
export function whenGone(response: McpResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
