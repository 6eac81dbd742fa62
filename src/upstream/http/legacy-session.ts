import type { Deadline } from "../../base/index.ts";
import type { HttpRequest, NetFailure } from "../../net/index.ts";
import type { Profile, ServerRecord } from "../../registry/index.ts";
import type { UpstreamReply } from "../exchange.ts";
import { initialized } from "../handshake.ts";
import { ownRequest } from "../own-request.ts";
import { errorReply, garbageFault } from "../reply.ts";
import { initializeParams, notificationText } from "../request-text.ts";
import { faultFromNet } from "../trouble.ts";
import type { Described, WireContext } from "../wire.ts";
import { askOnce } from "./ask-once.ts";
import type { Endpoint } from "./endpoint.ts";
import { faultFromStatus } from "./status.ts";

export interface LegacySession {
  /** null = the server keeps no sessions. */
  readonly id: string | null;
  readonly version: string;
  readonly described: Described;
  /** What each later request carries: name, value, … */
  readonly headers: readonly string[];
}

const answerBytesMax = 1024 * 1024;
/** The specification allows visible ASCII only; the length is ours. */
const sessionId = /^[\u0021-\u007e]{1,1024}$/;

/**
 * `initialize` with the capabilities of `profile`, and `notifications/initialized`. Throws a Fault; an upstream that answers with an
 * error is `upstream-rejected`.
 */
export async function initializeSession(
  context: WireContext,
  endpoint: Endpoint,
  server: ServerRecord,
  profile: Profile,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<LegacySession> {
  const { name } = server;
  const request = (body: string, headers: readonly string[]): HttpRequest => ({
    method: "POST",
    path: endpoint.path,
    headers: [...endpoint.headers, ...headers],
    body,
    deadline,
    signal,
    responseBytesMax: answerBytesMax,
  });
  const failed = (failure: NetFailure): never => {
    throw faultFromNet(failure, name);
  };
  const id = 0;
  const params = initializeParams(context.clientVersion, profile);
  const body = `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":${params}}`;
  const depthMax = context.limits.messageDepthMax;
  const response = await askOnce(endpoint.pool, request(body, []), id, depthMax).catch(failed);
  const { message } = response;
  let reply: UpstreamReply;
  if (message?.kind === "error") {
    reply = errorReply(message.error, ownRequest(server, "initialize", null, deadline, signal), "legacy");
  } else if (response.status >= 300) {
    throw faultFromStatus(response.status, name);
  } else if (message?.kind === "result") {
    reply = message;
  } else {
    throw garbageFault(name, "it does not answer initialize");
  }
  const { version, described } = initialized(reply, name);
  const given = response.headers["mcp-session-id"];
  if (given !== undefined && (typeof given !== "string" || !sessionId.test(given))) {
    throw garbageFault(name, "its session id is not acceptable");
  }
  const session: LegacySession = {
    id: given ?? null,
    version,
    described,
    headers: [
      ...(version >= "2025-06-18" ? ["mcp-protocol-version", version] : []),
      ...(given === undefined ? [] : ["mcp-session-id", given]),
    ],
  };
  const confirmation = notificationText("notifications/initialized", null);
  const confirmed = await endpoint.pool.request(request(confirmation, session.headers)).catch(failed);
  if (confirmed.status >= 300) throw faultFromStatus(confirmed.status, name);
  return session;
}
