import { codes } from "../../../contract/index.ts";
import type { Refusal } from "../../../contract/index.ts";
import { explain, faultFrom, newId } from "../../base/index.ts";
import type { CallAnswer, CallMethod } from "../../calls/index.ts";
import { callParams, isReading } from "../call-params.ts";
import type { JsonObject } from "../envelope.ts";
import { metaOf } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import { isWanted } from "../log-level.ts";
import type { EdgeOptions } from "../options.ts";
import { refusalResult } from "../wire.ts";
import { asker, withdrawAsks } from "./ask.ts";
import { OpenCall } from "./open-call.ts";
import type { Questions } from "./questions.ts";
import { toolResultText, withoutCaching, withoutResultType } from "./project-result.ts";
import type { Reply } from "./reply.ts";
import type { Session } from "./session-ids.ts";
import type { SessionStates } from "./session-states.ts";

/** A client that never set a level is told what a person would want to read (2025-11-25, logging: "the server MAY decide"). */
const logLevelDefault = "info";
/** Calls of one session that are open at once: as many as a node takes of one principal, with room. */
const callsMax = 1_024;

/** Carries out one governed request of a session. The state is held for as long as it is open. */
export function callInSession(
  context: { readonly options: EdgeOptions; readonly states: SessionStates; readonly questions: Questions },
  exchange: Exchange,
  session: Session,
  request: { readonly id: string | number; readonly method: CallMethod; readonly params: JsonObject },
  reply: Reply,
): void {
  const { options, states, questions } = context;
  const { method } = request;
  const params = callParams(method, request.params);
  if (!params.ok) {
    reply.refuse(params.refusal);
    return;
  }
  const state = states.of(session);
  if (state.calls.size >= callsMax) {
    reply.refuse({ code: "too-many-calls", detail: `At most ${callsMax} calls of a session are open.` });
    return;
  }
  const { name, arguments: args } = params.value;
  const meta = metaOf(request.params) ?? noMeta;
  const token = meta["progressToken"] as string | number | undefined;
  const call = new OpenCall(request.id, reply);
  state.calls.add(call);
  reply.expectToWait();
  const finish = (answer: CallAnswer): void => {
    withdrawAsks(state, call);
    tellAnswer(options, method, reply, answer);
    state.calls.delete(call);
    states.settle(state);
  };
  options.calls
    .call({
      requestId: newId("req", options.clock.wall(), options.random),
      authenticate: exchange.authenticate,
      method,
      name,
      arguments: args,
      meta,
      deadline: null,
      signal: call.signal,
      profile: session.profile,
      logLevel: state.logLevel ?? logLevelDefault,
      round: null,
      ask: asker(questions, state, call),
      onLog: (log) => {
        if (isWanted(log["level"], state.logLevel ?? logLevelDefault))
          reply.offer(JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: log }));
      },
      onProgress:
        token === undefined
          ? null
          : (progress) => {
              // Our token last: what the upstream sent must not name another request.
              const told = { ...progress, progressToken: token };
              reply.offer(JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: told }));
            },
      receivedAt: exchange.receivedAt,
    })
    .catch((thrown: unknown): CallAnswer => {
      // `calls` answers its failures as refusals; what it throws is a bug of ours, or a world that failed in between.
      options.log.error("a call ended without an answer", {
        tool: name,
        reason: explain(thrown),
        error: thrown,
      });
      const { code } = faultFrom(thrown, "carrying out a call");
      return { kind: "refused", refusal: { code, detail: "" }, receipt: null };
    })
    .then(finish, (thrown: unknown) => {
      options.log.error("an answer could not be told", { reason: explain(thrown), error: thrown });
    });
}

const noMeta: JsonObject = {};

/** 2025-11-25, client/elicitation: the call needs a page to be opened first, and the client is to see which. */
const urlElicitationRequired = -32_042;

const isError = ({ code, rpc }: Refusal): boolean =>
  codes[code].mcp === "error" || rpc?.code === urlElicitationRequired;

function projected(method: CallMethod, text: string): string {
  if (method === "tools/call") return toolResultText(text);
  return isReading(method) ? withoutCaching(text) : withoutResultType(text);
}

function tellAnswer(options: EdgeOptions, method: CallMethod, reply: Reply, answer: CallAnswer): void {
  switch (answer.kind) {
    case "result":
      reply.result(projected(method, answer.text));
      return;
    case "refused":
      if (method === "tools/call" && !isError(answer.refusal))
        reply.result(JSON.stringify(refusalResult(answer.refusal, answer.receipt)));
      else reply.refuse(answer.refusal, answer.receipt);
      return;
    case "input-required":
    case "task":
      // Whoever can be asked is asked, and nobody in this era declares tasks: neither can come.
      options.log.error("a session was answered in the terms of the newer era", {
        method,
        kind: answer.kind,
      });
      reply.refuse({ code: "internal", detail: "" });
  }
}
