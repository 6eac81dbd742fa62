import type { ServerResponse } from "node:http";
import { codes } from "../../../contract/index.ts";
import { explain, faultFrom, newId } from "../../base/index.ts";
import type { CallAnswer } from "../../calls/index.ts";
import type { ModernMessage } from "../classify.ts";
import type { Exchange } from "../exchange.ts";
import { toolCallParams } from "../exchange.ts";
import type { EdgeOptions, EdgeBounds } from "../options.ts";
import type { Responder } from "../respond.ts";
import { resultBody, withResultType } from "../splice.ts";
import { EventStream } from "../sse.ts";
import { errorBody, refusalResult } from "../wire.ts";
import { paramHeaderProblem } from "./param-headers.ts";

export interface CallToolContext {
  readonly options: EdgeOptions;
  readonly bounds: EdgeBounds;
  readonly responder: Responder;
}

/** `tools/call`: the hot path. Answers as one JSON body, or as a stream when the caller asked for progress. */
export function callTool(context: CallToolContext, exchange: Exchange, message: ModernMessage): void {
  const { options, responder } = context;
  const { request, response, principal } = exchange;
  const { id, meta } = message;
  const params = toolCallParams(message.params);
  if (!params.ok) {
    responder.refuse(response, "modern", params.refusal, { id });
    return;
  }
  const { name, arguments: args } = params.value;
  const declared = options.paramHeaders?.(principal, name) ?? null;
  const problem = declared === null ? null : paramHeaderProblem(declared, args, request.headers);
  if (problem !== null) {
    responder.refuse(response, "modern", problem.refusal, { id, data: problem.data });
    return;
  }
  const token = meta["progressToken"] as string | number | undefined;
  const stream = token === undefined ? null : openStream(context, exchange);
  const call = options.calls.call({
    requestId: newId("req", options.clock.wall(), options.random),
    authenticate: exchange.authenticate,
    method: "tools/call",
    name,
    arguments: args,
    meta,
    deadline: null,
    signal: whenGone(response),
    onProgress:
      stream === null || token === undefined
        ? null
        : (progress) => void stream.offer(progressText(token, progress)),
    receivedAt: exchange.receivedAt,
  });
  call.then(
    (answer) => {
      if (stream === null) sendAnswer(context, exchange, message, answer);
      else stream.end(answerText(message, answer));
    },
    (thrown: unknown) => {
      // `calls` answers its failures as refusals; what it throws is a bug of ours, or a world that failed in between.
      const fault = faultFrom(thrown, "calling a tool");
      options.log.error("a call ended without an answer", {
        tool: name,
        reason: explain(thrown),
        error: thrown,
      });
      const answer: CallAnswer = {
        kind: "refused",
        refusal: { code: fault.code, detail: "" },
        receipt: null,
      };
      if (stream === null) sendAnswer(context, exchange, message, answer);
      else stream.end(answerText(message, answer));
    },
  );
}

/**
 * Aborts when the client goes away before it has its answer. A function of its own, so that what listens holds the response and
 * nothing else of the call: a response that grows old in a slow call would keep all of it for the collector to copy.
 */
function whenGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

function openStream(context: CallToolContext, exchange: Exchange): EventStream {
  context.options.metrics.countEdgeRequest("modern", 200);
  return new EventStream(exchange.response, {
    clock: context.options.clock,
    keepAliveMs: context.bounds.keepAliveCommentMs,
    bytesWaitingMax: context.bounds.streamBytesWaitingMax,
    headers: context.responder.closeHeader,
  });
}

function sendAnswer(
  context: CallToolContext,
  exchange: Exchange,
  message: ModernMessage,
  answer: CallAnswer,
): void {
  const { responder } = context;
  if (answer.kind === "refused" && codes[answer.refusal.code].mcp === "error") {
    responder.refuse(exchange.response, "modern", answer.refusal, {
      id: message.id,
      receipt: answer.receipt,
    });
    return;
  }
  responder.json(exchange.response, "modern", 200, answerText(message, answer));
}

function answerText(message: ModernMessage, answer: CallAnswer): string {
  switch (answer.kind) {
    case "result":
      return resultBody(message.id, withResultType(answer.text));
    case "refused":
      return codes[answer.refusal.code].mcp === "error"
        ? errorBody(message.id, answer.refusal, answer.receipt)
        : resultBody(
            message.id,
            withResultType(JSON.stringify(refusalResult(answer.refusal, answer.receipt))),
          );
  }
}

/** Our token last: what the upstream sent must not name another request. */
function progressText(token: string | number, progress: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { ...progress, progressToken: token },
  });
}
