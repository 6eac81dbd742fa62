import type { ModernMessage } from "../classify.ts";
import type { Exchange } from "../exchange.ts";
import { resultBody } from "../splice.ts";
import { answerCall } from "./call.ts";
import type { ModernContext } from "./context.ts";
import { createDiscover } from "./describe.ts";
import { headerProblem } from "./headers.ts";
import { answerList } from "./list.ts";
import { Listens } from "./listen.ts";
import { answerTask } from "./task.ts";

/**
 * The modern era: every request describes itself, and nothing is kept between two of them. Returned once per server; the returned
 * function answers one message, which `classify` found to be modern.
 */
export function createModern(context: ModernContext): (exchange: Exchange, message: ModernMessage) => void {
  const { responder } = context;
  const discover = createDiscover(context);
  const listens = new Listens(context);
  return (exchange, message) => {
    const { response, principal } = exchange;
    const { id, method } = message;
    const problem = headerProblem(message, exchange.request.headers);
    if (problem !== null) {
      responder.refuse(response, "modern", problem.refusal, { id, data: problem.data });
      return;
    }
    if (id === null) {
      // No notification of this revision means anything to us; accepting one is what the specification asks for.
      responder.empty(response, "modern", 202);
      return;
    }
    switch (method) {
      case "tools/call":
      case "resources/read":
      case "prompts/get":
      case "completion/complete":
      case "skills/get":
      case "resources/directory/read":
        answerCall(context, exchange, message, method);
        return;
      case "tools/list":
        answerList(context, exchange, message, "tools");
        return;
      case "resources/list":
        answerList(context, exchange, message, "resources");
        return;
      case "resources/templates/list":
        answerList(context, exchange, message, "resourceTemplates");
        return;
      case "prompts/list":
        answerList(context, exchange, message, "prompts");
        return;
      case "skills/list":
        answerList(context, exchange, message, "skills");
        return;
      case "subscriptions/listen":
        listens.open(exchange, message, id);
        return;
      case "tasks/get":
      case "tasks/update":
      case "tasks/cancel":
        answerTask(context, exchange, message, method);
        return;
      case "server/discover":
        responder.json(response, "modern", 200, resultBody(id, discover(principal)));
        return;
      default:
        responder.refuse(response, "modern", { code: "method-not-found", detail: "" }, { id });
    }
  };
}
