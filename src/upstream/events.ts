import type { Era, ServerId } from "../registry/index.ts";

/**
 *  garbage        a line or event that is no message, or an answer that makes no sense
 *  unknown-id     an answer to something never asked
 *  repeated       an answer to what was answered, withdrawn or given up before
 *  refused-request  a request of the server to us that we declined
 *  stderr-dropped a stderr line that was not handed on because there were too many
 *  dropped-tool   a tool definition that cannot be used
 */
export type UpstreamCount =
  | "garbage"
  | "unknown-id"
  | "repeated"
  | "refused-request"
  | "stderr-dropped"
  | "dropped-tool";

/** For logs and metrics. Texts are bounded and cleared of the connection's secrets. */
export type UpstreamEvent =
  | { readonly kind: "connected"; readonly serverId: ServerId; readonly era: Era; readonly tookMs: number }
  | { readonly kind: "lost"; readonly serverId: ServerId; readonly reason: string }
  | { readonly kind: "stderr"; readonly serverId: ServerId; readonly line: string }
  | { readonly kind: "counted"; readonly serverId: ServerId; readonly what: UpstreamCount };
