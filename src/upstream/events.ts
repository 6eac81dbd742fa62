import type { Era, ServerId } from "../registry/index.ts";

/**
 *  garbage        a line or event that is no message, or an answer that makes no sense
 *  unknown-id     an answer to something never asked
 *  repeated       an answer to what was answered, withdrawn or given up before
 *  refused-request  a request of the server to us that we declined
 *  unplaced       a question or log message that names no call, where calls of several callers share a connection: told to nobody
 *  stderr-dropped a stderr line that was not handed on because there were too many
 *  dropped-tool   a tool definition that cannot be used
 *  failed-list    a list other than that of the tools could not be had; the one before it stays
 *  lost-profile   a connection for one set of client capabilities was lost or could not be made
 *  failed-watch   a subscription to a resource could not be made again after a reconnect
 */
export type UpstreamCount =
  | "garbage"
  | "unknown-id"
  | "repeated"
  | "refused-request"
  | "unplaced"
  | "stderr-dropped"
  | "dropped-tool"
  | "failed-list"
  | "lost-profile"
  | "failed-watch";

/** For logs and metrics. Texts are bounded and cleared of the connection's secrets. */
export type UpstreamEvent =
  | { readonly kind: "connected"; readonly serverId: ServerId; readonly era: Era; readonly tookMs: number }
  | { readonly kind: "lost"; readonly serverId: ServerId; readonly reason: string }
  | { readonly kind: "stderr"; readonly serverId: ServerId; readonly line: string }
  | { readonly kind: "counted"; readonly serverId: ServerId; readonly what: UpstreamCount };
