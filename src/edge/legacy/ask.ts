import type { CallInput } from "../../calls/index.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";
import type { OpenCall } from "./open-call.ts";
import type { Questions } from "./questions.ts";
import type { Ask, AskAnswer, SessionState } from "./session-state.ts";

/** Questions of a session that wait for their answers. A client shows them to a person one by one. */
const asksMax = 64;

/**
 * How a call asks its client: as requests on the call's own stream, or on the session's where that one is lost. The client
 * answers with a POST in the same session, on any node, whenever it likes while the call is open; the call's deadline bounds the wait.
 */
export function asker(
  questions: Questions,
  state: SessionState,
  call: OpenCall,
): NonNullable<CallInput["ask"]> {
  const one = (ask: Ask): Promise<AskAnswer> | AskAnswer => {
    const problem = undeclared(ask, state.session.profile.capabilities);
    if (problem !== null) return refused(-32_601, problem);
    if (state.asks.size >= asksMax) return refused(-32_603, "Too many questions are open in this session.");
    if (call.signal.aborted) return gone;
    const id = questions.begin(state.session);
    return new Promise((resolve) => {
      const settle = (answer: AskAnswer): void => {
        if (state.asks.delete(id)) questions.end();
        call.asks.delete(id);
        resolve(answer);
      };
      state.asks.set(id, settle);
      call.asks.add(id);
      const text = askText(id, ask);
      if (!call.reply.offer(text) && state.listener?.send(text) !== true) settle(gone);
    });
  };
  return async (requests) =>
    Object.fromEntries(
      await Promise.all(Object.entries(requests).map(async ([key, ask]) => [key, await one(ask)] as const)),
    );
}

/** When a call is over, its questions are too: the client is told, so that it can take them off the screen. */
export function withdrawAsks(state: SessionState, call: OpenCall): void {
  for (const id of call.asks) {
    call.reply.offerIfOpen(
      JSON.stringify({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: id, reason: "The call is over." },
      }),
    );
    state.answer(id, gone);
  }
}

/** Only what the client declared may be asked of it. null = it may. */
function undeclared({ method, params }: Ask, capabilities: JsonObject): string | null {
  switch (method) {
    case "roots/list":
      return isObject(capabilities["roots"]) ? null : "The client did not declare roots.";
    case "sampling/createMessage": {
      const sampling = capabilities["sampling"];
      if (!isObject(sampling)) return "The client did not declare sampling.";
      return params["tools"] === undefined || isObject(sampling["tools"])
        ? null
        : "The client did not declare sampling with tools.";
    }
    case "elicitation/create": {
      const elicitation = capabilities["elicitation"];
      if (!isObject(elicitation)) return "The client did not declare elicitation.";
      const { form, url } = elicitation;
      // Revisions before 2025-11-25 know forms alone, and declare them by an empty object.
      const can = params["mode"] === "url" ? isObject(url) : isObject(form) || url === undefined;
      return can
        ? null
        : `The client did not declare elicitation by ${params["mode"] === "url" ? "URL" : "form"}.`;
    }
    default:
      return "Clients are not asked this.";
  }
}

/** A question by URL must bear an id in this era; servers of the newer one give none. */
function askText(id: string, { method, params }: Ask): string {
  const needsId = method === "elicitation/create" && params["mode"] === "url" && !("elicitationId" in params);
  return JSON.stringify({
    jsonrpc: "2.0",
    id,
    method,
    params: needsId ? { ...params, elicitationId: id } : params,
  });
}

const refused = (code: number, message: string): AskAnswer => ({ kind: "refused", error: { code, message } });
const gone = refused(-32_603, "The client cannot be reached.");
