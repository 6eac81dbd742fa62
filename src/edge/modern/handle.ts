import type { ModernMessage } from "../classify.ts";
import type { Exchange } from "../exchange.ts";
import { resultBody } from "../splice.ts";
import type { CallToolContext } from "./call-tool.ts";
import { callTool } from "./call-tool.ts";
import { discoverText } from "./describe.ts";
import { headerProblem } from "./headers.ts";
import { listMembers, listToolsText } from "./list-tools.ts";

/**
 * The modern era: every request describes itself, nothing is kept between two of them. Returned once per server; the returned
 * function answers one message, which `classify` found to be modern.
 */
export function createModern(context: CallToolContext): (exchange: Exchange, message: ModernMessage) => void {
  const { options, bounds, responder } = context;
  const described = { ...options, listTtlMs: bounds.listTtlMs };
  const discover = discoverText(described);
  const members = listMembers(described);
  return (exchange, message) => {
    const { response } = exchange;
    const { id } = message;
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
    switch (message.method) {
      case "tools/call":
        callTool(context, exchange, message);
        return;
      case "tools/list": {
        const list = listToolsText(options.calls, exchange.principal, message.params, members);
        if (list.ok) responder.json(response, "modern", 200, resultBody(id, list.value));
        else responder.refuse(response, "modern", list.refusal, { id });
        return;
      }
      case "server/discover":
        responder.json(response, "modern", 200, resultBody(id, discover));
        return;
      default:
        responder.refuse(response, "modern", { code: "method-not-found", detail: "" }, { id });
    }
  };
}
