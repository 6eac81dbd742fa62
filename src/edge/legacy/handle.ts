import type { IncomingMessage } from "node:http";
import type { AuthInfo, ServerContext } from "@modelcontextprotocol/server";
import type { Refusal } from "../../../contract/index.ts";
import { isObject } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import type { EdgeBounds, EdgeOptions } from "../options.ts";
import type { Responder } from "../respond.ts";
import { callTool } from "./call-tool.ts";
import { listTools } from "./list-tools.ts";
import { rejection } from "./rejection.ts";
import type { LegacySession, LegacySessions } from "./sessions.ts";

interface LegacyContext {
  readonly options: EdgeOptions;
  readonly bounds: EdgeBounds;
  readonly responder: Responder;
  readonly sessions: LegacySessions;
}

/**
 * The era of sessions (up to revision 2025-11-25), through the official SDK. The returned function answers one HTTP request;
 * the body, where there is one, is parsed and is not modern.
 */
export function createLegacy(context: LegacyContext): (exchange: Exchange, body: unknown) => void {
  return (exchange, body) => {
    serve(context, exchange, body).catch((thrown: unknown) => {
      context.responder.fail(exchange.response, "legacy", "serving a session", thrown);
    });
  };
}

async function serve(context: LegacyContext, exchange: Exchange, body: unknown): Promise<void> {
  const { options, sessions } = context;
  const { request, response, principal } = exchange;
  const named = request.headers["mcp-session-id"];
  const isInitialize = isObject(body) && body["method"] === "initialize";
  if (sessions.areStreamsEnding && body === null) {
    refuse(context, exchange, body, { code: "shutting-down", detail: "" });
    return;
  }
  if (named === undefined && !isInitialize) {
    refuse(context, exchange, body, {
      code: "malformed-request",
      detail:
        "It belongs to no session (Mcp-Session-Id) and does not describe itself as of revision 2026-07-28.",
    });
    return;
  }
  const session =
    named === undefined
      ? await sessions.open(principal, (opened) => wire(options, opened))
      : sessions.find(String(named), principal);
  if (session === null) {
    refuse(context, exchange, body, {
      code: named === undefined ? "too-many-calls" : "session-not-found",
      detail: named === undefined ? "Too many sessions are open." : "",
    });
    return;
  }
  sessions.touch(session);
  session.openExchanges++;
  response.once("close", () => {
    session.openExchanges--;
    sessions.touch(session);
    options.metrics.countEdgeRequest("legacy", response.statusCode);
  });
  await session.transport.handleRequest(withExchange(request, exchange), response, body ?? undefined);
  // The SDK refused to initialise: nobody will ever name this session.
  if (named === undefined && !sessions.isKnown(session)) await sessions.close(session);
}

function refuse(context: LegacyContext, exchange: Exchange, body: unknown, refusal: Refusal): void {
  const id =
    isObject(body) && (typeof body["id"] === "string" || typeof body["id"] === "number") ? body["id"] : null;
  context.responder.refuse(exchange.response, "legacy", refusal, { id });
}

/**
 * Requests of a session reach our own functions without the SDK's result schemas in between: a result was governed and
 * recorded as it is, and must not turn into an error at the last step because a schema of ours is narrower.
 */
function wire(options: EdgeOptions, session: LegacySession): void {
  const { server } = session;
  server.fallbackRequestHandler = async (request, context) => {
    const exchange = exchangeOf(context);
    const params = isObject(request.params) ? request.params : {};
    switch (request.method) {
      case "tools/list":
        return listTools(options.calls, exchange.principal, params);
      case "tools/call":
        return callTool(options, server, exchange, params, context);
      default:
        throw rejection({ code: "method-not-found", detail: "" });
    }
  };
}

/**
 * The SDK hands `auth` from the HTTP request to the handler of each message in it. Ours carries the exchange and no token: the
 * SDK needs none, and what does not hold a secret cannot leak it.
 */
function withExchange(request: IncomingMessage, exchange: Exchange): IncomingMessage & { auth: AuthInfo } {
  const auth: AuthInfo = { token: "", clientId: exchange.principal.id, scopes: [], extra: { exchange } };
  return Object.assign(request, { auth });
}

function exchangeOf(context: ServerContext): Exchange {
  // Put there by withExchange, which every request of ours passes.
  return context.http?.authInfo?.extra?.["exchange"] as Exchange;
}
