import type { Deadline } from "../../base/index.ts";
import type { HttpResponse, NetFailure } from "../../net/index.ts";
import { createParser } from "eventsource-parser";
import type { Message } from "../message.ts";
import { readMessageBytes, readMessage } from "../message.ts";
import { acceptedVersion } from "../handshake.ts";
import { errorReply, garbageFault } from "../reply.ts";
import { initializeParams, notificationText } from "../request-text.ts";
import { faultFromNet } from "../trouble.ts";
import type { WireContext } from "../wire.ts";
import type { Endpoint } from "./endpoint.ts";
import { faultFromStatus } from "./status.ts";

export interface LegacySession {
  /** null = the server keeps no sessions. */
  readonly id: string | null;
  readonly version: string;
  /** What each later request carries: name, value, … */
  readonly headers: readonly string[];
}

const answerBytesMax = 1024 * 1024;
/** The specification allows visible ASCII only; the length is ours. */
const sessionId = /^[\u0021-\u007e]{1,1024}$/;

/** `initialize` and `notifications/initialized`. Throws a Fault; an upstream that answers with an error is `upstream-rejected`. */
export async function initializeSession(
  context: WireContext,
  endpoint: Endpoint,
  serverName: string,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<LegacySession> {
  const post = (body: string, headers: readonly string[]): Promise<HttpResponse> =>
    endpoint.pool
      .request({
        method: "POST",
        path: endpoint.path,
        headers: [...endpoint.headers, ...headers],
        body,
        deadline,
        signal,
        responseBytesMax: answerBytesMax,
      })
      .catch((failure: NetFailure) => {
        throw faultFromNet(failure, serverName);
      });
  const id = 0;
  const body = `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":${initializeParams(context.clientVersion)}}`;
  const response = await post(body, []);
  const version = negotiated(
    answerIn(response, id, context.limits.messageDepthMax),
    response.status,
    serverName,
  );
  const given = response.headers["mcp-session-id"];
  if (given !== undefined && (typeof given !== "string" || !sessionId.test(given))) {
    throw garbageFault(serverName, "its session id is not acceptable");
  }
  const session: LegacySession = {
    id: given ?? null,
    version,
    headers: [
      ...(version >= "2025-06-18" ? ["mcp-protocol-version", version] : []),
      ...(given === undefined ? [] : ["mcp-session-id", given]),
    ],
  };
  const confirmed = await post(notificationText("notifications/initialized", null), session.headers);
  if (confirmed.status >= 300) throw faultFromStatus(confirmed.status, serverName);
  return session;
}

function answerIn(response: HttpResponse, id: number, depthMax: number): Message | null {
  const type = String(response.headers["content-type"] ?? "").toLowerCase();
  if (type.startsWith("application/json")) return readMessageBytes(response.body, depthMax);
  if (!type.startsWith("text/event-stream")) return null;
  let answer: Message | null = null;
  const parser = createParser({
    onEvent: (event) => {
      const message = readMessage(event.data, depthMax);
      if ((message.kind === "result" || message.kind === "error") && message.id === id) answer ??= message;
    },
  });
  parser.feed(response.body.toString("utf8"));
  return answer;
}

function negotiated(message: Message | null, status: number, serverName: string): string {
  if (message?.kind === "error") return acceptedVersion(errorReply(message.error), serverName);
  if (status >= 300) throw faultFromStatus(status, serverName);
  if (message?.kind !== "result") throw garbageFault(serverName, "it does not answer initialize");
  return acceptedVersion(message, serverName);
}
