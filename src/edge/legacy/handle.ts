import type { Refusal } from "../../../contract/index.ts";
import type { JsonObject } from "../envelope.ts";
import type { Exchange, McpResponse } from "../exchange.ts";
import { eventStreamHeaders } from "../sse.ts";
import type { RequestId } from "../wire.ts";
import { openAnswerStream } from "./answer-stream.ts";
import { initialize } from "./initialize.ts";
import type { LegacyContext } from "./request.ts";
import { answerRequest } from "./request.ts";
import type { Session } from "./session-ids.ts";
import { askAnswerOf } from "./session-state.ts";
import { legacyVersionOf, legacyVersions } from "./versions.ts";

/**
 * The era of sessions (2024-11-05 to 2025-11-25). The returned function answers one HTTP request; the body, where there is one,
 * is a message that `classify` found to be of this era.
 */
export function createLegacy(context: LegacyContext): (exchange: Exchange, body: unknown) => void {
  return (exchange, body) => {
    const message = body as JsonObject | null; // `classify` has seen that it is an object
    if (message?.["method"] === "initialize" && "id" in message) {
      beginSession(context, exchange, message);
      return;
    }
    const session = sessionOf(context, exchange, message);
    if (session === null) return;
    if (message !== null) receive(context, exchange, session, message);
    else if (exchange.request.method === "GET") listen(context, exchange, session);
    else endSession(context, exchange, session);
  };
}

function beginSession(context: LegacyContext, exchange: Exchange, message: JsonObject): void {
  const { options, responder, sessions } = context;
  const { response, principal } = exchange;
  const id = message["id"] as string | number;
  const begun = initialize(options, sessions.ids, principal, (message["params"] ?? {}) as JsonObject);
  if (!begun.ok) {
    responder.refuse(response, "legacy", begun.refusal, { id });
    return;
  }
  const { sessionId, text } = begun.value;
  responder.json(response, "legacy", 200, `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}`, [
    "Mcp-Session-Id",
    sessionId,
  ]);
}

/** null = there is none, and that was answered. */
function sessionOf(context: LegacyContext, exchange: Exchange, message: JsonObject | null): Session | null {
  const { headers } = exchange.request;
  const sent = headers["mcp-session-id"];
  const version = headers["mcp-protocol-version"];
  const named = typeof sent === "string" ? sent : null;
  if (version !== undefined && legacyVersionOf(version) === null) {
    const requested = String(version).slice(0, 40);
    refuse(
      context,
      exchange,
      message,
      { code: "unsupported-version", detail: `It is ${JSON.stringify(requested)}.` },
      {
        supported: legacyVersions,
        requested,
      },
    );
    return null;
  }
  if (named === null) {
    refuse(context, exchange, message, {
      code: "malformed-request",
      detail:
        "It belongs to no session (Mcp-Session-Id) and does not describe itself as of revision 2026-07-28.",
    });
    return null;
  }
  const session = context.sessions.ids.open(named, exchange.principal);
  if (session === null) refuse(context, exchange, message, { code: "session-not-found", detail: "" });
  return session;
}

/** A request, a notification or an answer within a session. */
function receive(context: LegacyContext, exchange: Exchange, session: Session, message: JsonObject): void {
  const { sessions, responder } = context;
  const { response } = exchange;
  const { method, id } = message;
  const state = sessions.states.find(session);
  state?.listener?.renewToken(exchange);
  if (typeof method !== "string") {
    if (state?.answer(id, askAnswerOf(message)) === true) responder.empty(response, "legacy", 202);
    else
      answerElsewhere(context, exchange, session, message).catch((thrown: unknown) => {
        responder.fail(response, "legacy", "carrying an answer to another node", thrown, null);
      });
    return;
  }
  const params = (message["params"] ?? {}) as JsonObject; // `classify` has seen that it is an object
  if (id === undefined) {
    if (method === "notifications/cancelled") state?.withdraw(params["requestId"]);
    responder.empty(response, "legacy", 202);
    return;
  }
  const request = { id: id as string | number, method, params };
  answerRequest(context, exchange, session, request).catch((thrown: unknown) => {
    responder.fail(response, "legacy", "serving a session", thrown, request.id);
  });
}

/** An answer to nobody is told as such: a client would otherwise wait for a call that waits for it. */
async function answerElsewhere(
  context: LegacyContext,
  exchange: Exchange,
  session: Session,
  message: JsonObject,
): Promise<void> {
  const { sessions, responder } = context;
  const { response } = exchange;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const delivery = await sessions.questions.carry(session, message["id"], askAnswerOf(message), gone.signal);
  switch (delivery) {
    case "taken":
      responder.empty(response, "legacy", 202);
      return;
    case "gone":
      refuse(context, exchange, null, { code: "malformed-request", detail: "No such question is open." });
      return;
    case "busy":
      refuse(context, exchange, null, {
        code: "too-many-calls",
        detail: "Too many answers are on their way.",
      });
  }
}

/**
 * A stream for what belongs to no request. With the `Last-Event-ID` of an answer's stream that broke, the rest of that one; any other
 * means nothing, because of this stream nothing is replayed.
 */
function listen(context: LegacyContext, exchange: Exchange, session: Session): void {
  const { sessions, responder, options } = context;
  const { request, response } = exchange;
  const { accept, "last-event-id": last } = request.headers;
  if (accept === undefined || !/text\/(?:event-stream|\*)|\*\/\*/i.test(accept)) {
    refuse(context, exchange, null, { code: "not-acceptable", detail: "Streams are text/event-stream." });
    return;
  }
  if (typeof last === "string" && goOn(context, session, last, response)) return;
  const state = sessions.states.of(session);
  if (!sessions.states.mayKeep(state)) {
    sessions.states.settle(state);
    refuse(context, exchange, null, {
      code: "too-many-calls",
      detail: "Too many sessions have something open.",
    });
    return;
  }
  const attached = sessions.listenerOf(state, exchange).attach(response, () => {
    options.metrics.countEdgeRequest("legacy", 200);
    response.writeHead(200, [...eventStreamHeaders, ...responder.closeHeader]);
    response.flushHeaders();
  });
  if (attached.ok) return;
  sessions.states.settle(state);
  refuse(context, exchange, null, attached.refusal);
}

/** False = no answer of this session has a stream of that name. */
function goOn(context: LegacyContext, session: Session, name: string, response: McpResponse): boolean {
  const found = context.sessions.resumptions.find(session.key, name);
  if (found === null) return false;
  if (typeof found === "string") openAnswerStream(context, response, name).end(found);
  else found.resume(response);
  return true;
}

function endSession(context: LegacyContext, exchange: Exchange, session: Session): void {
  const { sessions, responder } = context;
  sessions.ids.end(session);
  const state = sessions.states.find(session);
  if (state !== null) sessions.states.end(state);
  responder.empty(exchange.response, "legacy", 200);
}

function refuse(
  { responder }: LegacyContext,
  { response }: Exchange,
  message: JsonObject | null,
  refusal: Refusal,
  data: JsonObject = {},
): void {
  const id = message !== null && "method" in message ? ((message["id"] ?? null) as RequestId) : null;
  responder.refuse(response, "legacy", refusal, { id, data });
}
