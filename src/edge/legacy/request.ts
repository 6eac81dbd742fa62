import type { Refusal } from "../../../contract/index.ts";
import type { CallMethod } from "../../calls/index.ts";
import { uriProblem } from "../call-params.ts";
import type { JsonObject } from "../envelope.ts";
import { metaOf } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import { isLogLevel } from "../log-level.ts";
import type { EdgeBounds, EdgeOptions } from "../options.ts";
import type { Responder } from "../respond.ts";
import { callInSession } from "./call.ts";
import { listNames, listText } from "./lists.ts";
import { Reply } from "./reply.ts";
import type { Session } from "./session-ids.ts";
import type { LegacySessions } from "./sessions.ts";

export interface LegacyContext {
  readonly options: EdgeOptions;
  readonly bounds: EdgeBounds;
  readonly responder: Responder;
  readonly sessions: LegacySessions;
}

export interface LegacyRequest {
  readonly id: string | number;
  readonly method: string;
  readonly params: JsonObject;
}

/** One request within a session. Throws only what is a bug of ours, or a world that failed. */
export async function answerRequest(
  context: LegacyContext,
  exchange: Exchange,
  session: Session,
  request: LegacyRequest,
): Promise<void> {
  const { options, bounds, sessions } = context;
  const { method, params } = request;
  const reply = new Reply(context, exchange.response, session, request);
  if (isCallMethod(method)) {
    const { states, questions } = sessions;
    callInSession({ options, states, questions }, exchange, session, { ...request, method }, reply);
    return;
  }
  const list = listNames.get(method);
  if (list !== undefined) {
    const page = listText(options.calls, list, exchange.principal, session, params["cursor"], bounds);
    const found = page instanceof Promise ? await page : page;
    if (found.ok) reply.result(found.value);
    else reply.refuse(found.refusal);
    return;
  }
  switch (method) {
    case "ping":
      reply.result("{}");
      return;
    case "logging/setLevel":
      setLevel(context, session, params["level"], reply);
      return;
    case "resources/subscribe":
      await subscribe(context, exchange, session, params, reply);
      return;
    case "resources/unsubscribe": {
      const problem = uriProblem("params.uri", params["uri"]);
      if (problem === null) sessions.states.find(session)?.listener?.unsubscribe(params["uri"] as string);
      if (problem === null) reply.result("{}");
      else reply.refuse(bad(problem));
      return;
    }
    default:
      reply.refuse({ code: "method-not-found", detail: "" });
  }
}

const callMethods: ReadonlySet<string> = new Set<CallMethod>([
  "tools/call",
  "resources/read",
  "prompts/get",
  "completion/complete",
  "skills/get",
  "resources/directory/read",
]);
const isCallMethod = (method: string): method is CallMethod => callMethods.has(method);

/** The level is this node's memory of a session: after it is gone, or on another node, the usual level holds again. */
function setLevel({ sessions }: LegacyContext, session: Session, level: unknown, reply: Reply): void {
  if (!isLogLevel(level)) {
    reply.refuse(bad('params.level must be a level such as "info".'));
    return;
  }
  const state = sessions.states.of(session);
  if (sessions.states.mayKeep(state)) {
    state.logLevel = level;
    reply.result("{}");
  } else {
    sessions.states.settle(state);
    reply.refuse(tooMany);
  }
}

async function subscribe(
  { sessions }: LegacyContext,
  exchange: Exchange,
  session: Session,
  params: JsonObject,
  reply: Reply,
): Promise<void> {
  const { uri } = params;
  const problem = uriProblem("params.uri", uri);
  if (problem !== null) {
    reply.refuse(bad(problem));
    return;
  }
  const state = sessions.states.of(session);
  if (!sessions.states.mayKeep(state)) {
    sessions.states.settle(state);
    reply.refuse(tooMany);
    return;
  }
  const made = await sessions.listenerOf(state, exchange).subscribe(uri as string, metaOf(params) ?? {});
  if (made.ok) reply.result("{}");
  else reply.refuse(made.refusal);
}

const bad = (detail: string): Refusal => ({ code: "invalid-params", detail });
const tooMany: Refusal = { code: "too-many-calls", detail: "Too many sessions have something open." };
