import { explain, faultFrom, newId } from "../../base/index.ts";
import type { CallAnswer, CallInput, CallMethod } from "../../calls/index.ts";
import { callParams, isReading } from "../call-params.ts";
import type { ModernMessage } from "../classify.ts";
import { envelopeKeys } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import { isWanted } from "../log-level.ts";
import { EventStream } from "../sse.ts";
import { answerText, sendAnswer, withResourceNamed } from "./answer.ts";
import type { ModernContext } from "./context.ts";
import { declaredProfile, whenGone } from "./context.ts";
import { paramHeaderProblem } from "./param-headers.ts";
import { roundOf } from "./round.ts";

/**
 * A governed request; `tools/call` is the hot path. Answers as one JSON body, or as a stream when the caller wants to hear of
 * progress or log messages meanwhile.
 */
export function answerCall(
  context: ModernContext,
  exchange: Exchange,
  message: ModernMessage,
  method: CallMethod,
): void {
  const { options, responder } = context;
  const { response } = exchange;
  const { id, meta } = message;
  const params = callParams(method, message.params);
  if (!params.ok) {
    responder.refuse(response, "modern", params.refusal, { id });
    return;
  }
  const { name, arguments: args } = params.value;
  const problem = method === "tools/call" ? mirrorProblem(context, exchange, name, args) : null;
  if (problem !== null) {
    responder.refuse(response, "modern", problem.refusal, { id, data: problem.data });
    return;
  }
  // What stands in their place in requests that have no rounds is none of ours.
  const round = roundOf(hasRounds.has(method) ? message.params : noParams);
  if (!round.ok) {
    responder.refuse(response, "modern", round.refusal, { id });
    return;
  }
  const token = meta["progressToken"] as string | number | undefined; // the form of `_meta` was checked
  const logLevel = meta[envelopeKeys.logLevel] as string | undefined; // as above
  const stream = token === undefined && logLevel === undefined ? null : openStream(context, exchange);
  const call = options.calls.call({
    requestId: newId("req", options.clock.wall(), options.random),
    authenticate: exchange.authenticate,
    method,
    name,
    arguments: args,
    meta,
    deadline: null,
    signal: whenGone(response),
    profile: declaredProfile(context, message),
    logLevel: logLevel ?? null,
    round: round.value,
    ask: null,
    onLog: stream === null || logLevel === undefined ? null : tellLogs(stream, logLevel),
    onProgress: stream === null || token === undefined ? null : tellProgress(stream, token),
    receivedAt: exchange.receivedAt,
  });
  const answered = (given: CallAnswer) => {
    const answer = isReading(method) ? withResourceNamed(given, name) : given;
    if (stream === null) sendAnswer(responder, exchange, id, method, answer);
    else stream.end(answerText(id, method, answer));
  };
  call.then(
    (answer) => responder.leaving.add(() => answered(answer)),
    (thrown: unknown) => {
      // `calls` answers its failures as refusals; what it throws is a bug of ours, or a world that failed in between.
      const { code } = faultFrom(thrown, "answering a call");
      options.log.error("a call ended without an answer", {
        method,
        tool: name,
        reason: explain(thrown),
        error: thrown,
      });
      answered({ kind: "refused", refusal: { code, detail: "" }, receipt: null });
    },
  );
}

const noParams = {};
const hasRounds: ReadonlySet<CallMethod> = new Set(["tools/call", "prompts/get", "resources/read"]);

/** Whether the arguments that also travel in headers are the same there. null = they are. */
function mirrorProblem(context: ModernContext, exchange: Exchange, name: string, args: unknown) {
  const declared = context.options.paramHeaders?.(exchange.principal, name) ?? null;
  return declared === null ? null : paramHeaderProblem(declared, args, exchange.request.headers);
}

function openStream(context: ModernContext, exchange: Exchange): EventStream {
  context.options.metrics.countEdgeRequest("modern", 200);
  return new EventStream(exchange.response, {
    clock: context.options.clock,
    keepAliveMs: context.bounds.keepAliveCommentMs,
    bytesWaitingMax: context.bounds.streamBytesWaitingMax,
    headers: context.responder.closeHeader,
  });
}

/** Our token last: what the upstream sent must not name another request. */
const tellProgress =
  (stream: EventStream, token: string | number): NonNullable<CallInput["onProgress"]> =>
  (progress) =>
    void stream.offer(notification("notifications/progress", { ...progress, progressToken: token }));

/** An older server sends what its own level lets through, which may be more than this caller wants. */
const tellLogs =
  (stream: EventStream, least: string): NonNullable<CallInput["onLog"]> =>
  (params) => {
    if (isWanted(params["level"], least)) stream.offer(notification("notifications/message", params));
  };

const notification = (method: string, params: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ jsonrpc: "2.0", method, params });
