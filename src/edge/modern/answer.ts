import type { Refusal } from "../../../contract/index.ts";
import { codes } from "../../../contract/index.ts";
import type { CallAnswer, CallMethod, TaskInput } from "../../calls/index.ts";
import { isReading } from "../call-params.ts";
import { isObject } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import type { Responder } from "../respond.ts";
import { resultBody, withPrivateCaching, withResultType } from "../splice.ts";
import type { RequestId } from "../wire.ts";
import { errorBody, missingCapability, refusalResult } from "../wire.ts";

/** The requests that `calls` answers. */
type Asked = CallMethod | TaskInput["method"];

/** Sends an answer as one JSON body. */
export function sendAnswer(
  responder: Responder,
  exchange: Exchange,
  id: RequestId,
  method: Asked,
  answer: CallAnswer,
): void {
  const { response } = exchange;
  if (answer.kind === "refused" && codes[answer.refusal.code].mcp === "error") {
    responder.refuse(response, "modern", answer.refusal, { id, receipt: answer.receipt });
    return;
  }
  // The one error of a server that the protocol gives a status of its own.
  const status = answer.kind === "refused" && needsCapability(answer.refusal) ? 400 : 200;
  responder.json(response, "modern", status, answerText(id, method, answer));
}

/**
 * An answer as the text of a JSON-RPC response. Only `tools/call` has results that say no; for the others what a tool would have
 * said in one is an error, under HTTP 200 all the same: the request was in order, and clients read errors of other statuses as
 * failures of the transport.
 */
export function answerText(id: RequestId, method: Asked, answer: CallAnswer): string {
  switch (answer.kind) {
    case "result": {
      const text = isReading(method) ? withPrivateCaching(answer.text) : answer.text;
      return resultBody(id, withResultType(text));
    }
    case "input-required":
    case "task":
      return resultBody(id, answer.text);
    case "refused":
      return isError(method, answer.refusal)
        ? errorBody(id, answer.refusal, answer.receipt)
        : resultBody(id, withResultType(JSON.stringify(refusalResult(answer.refusal, answer.receipt))));
  }
}

/** Older servers have a code of their own for a resource that is not there. */
const resourceNotFound: ReadonlySet<number> = new Set([-32002, -32602]);

/**
 * A server's error about a resource as this revision wants it (server/resources, "Error Handling"): with the code for parameters,
 * and the URI that was asked for.
 */
export function withResourceNamed(answer: CallAnswer, uri: string): CallAnswer {
  const rpc = answer.kind === "refused" ? answer.refusal.rpc : undefined;
  if (answer.kind !== "refused" || rpc === undefined || !resourceNotFound.has(rpc.code)) return answer;
  const data = isObject(rpc.data) ? rpc.data : {};
  return {
    ...answer,
    refusal: { ...answer.refusal, rpc: { code: -32602, message: rpc.message, data: { uri, ...data } } },
  };
}

const isError = (method: Asked, refusal: Refusal): boolean =>
  method !== "tools/call" || codes[refusal.code].mcp === "error" || needsCapability(refusal);

/** Servers see what the client declared, so what they miss in it is the client's to declare: no model could help. */
const needsCapability = (refusal: Refusal): boolean => refusal.rpc?.code === missingCapability;
