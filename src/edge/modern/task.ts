import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { explain, faultFrom, newId, ok, refuse } from "../../base/index.ts";
import type { CallAnswer, TaskInput } from "../../calls/index.ts";
import type { Profile } from "../../registry/index.ts";
import { textProblem } from "../call-params.ts";
import type { ModernMessage } from "../classify.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";
import type { Exchange } from "../exchange.ts";
import { sendAnswer } from "./answer.ts";
import type { ModernContext } from "./context.ts";
import { declaredProfile, whenGone } from "./context.ts";
import { responsesOf } from "./round.ts";

const tasksExtension = "io.modelcontextprotocol/tasks";

/** `tasks/get`, `tasks/update` and `tasks/cancel` (tasks extension): only for a request that declares the extension. */
export function answerTask(
  context: ModernContext,
  exchange: Exchange,
  message: ModernMessage,
  method: TaskInput["method"],
): void {
  const { options, responder } = context;
  const { id } = message;
  const profile = declaredProfile(context, message);
  const params = declaresTasks(profile) ? taskParams(method, message.params) : refuse(tasksUndeclared);
  if (!params.ok) {
    responder.refuse(exchange.response, "modern", params.refusal, { id });
    return;
  }
  const answered = (answer: CallAnswer) => sendAnswer(responder, exchange, id, method, answer);
  const task = options.calls.task({
    requestId: newId("req", options.clock.wall(), options.random),
    authenticate: exchange.authenticate,
    method,
    ...params.value,
    profile,
    signal: whenGone(exchange.response),
  });
  task.then(answered, (thrown: unknown) => {
    const { code } = faultFrom(thrown, "answering about a task");
    options.log.error("a task request ended without an answer", {
      method,
      reason: explain(thrown),
      error: thrown,
    });
    answered({ kind: "refused", refusal: { code, detail: "" }, receipt: null });
  });
}

export function declaresTasks(profile: Profile): boolean {
  const { extensions } = profile.capabilities;
  return isObject(extensions) && isObject(extensions[tasksExtension]);
}

export const tasksUndeclared: Refusal = {
  code: "missing-capability",
  detail: `Declare the extension ${tasksExtension} with this request.`,
  evidence: { requiredCapabilities: { extensions: { [tasksExtension]: {} } } },
};

function taskParams(
  method: TaskInput["method"],
  params: JsonObject,
): Result<Pick<TaskInput, "taskId" | "inputResponses">> {
  const { taskId, inputResponses } = params;
  const problem = taskIdProblem("params.taskId", taskId);
  if (problem !== null) return bad(problem);
  if (method !== "tasks/update") return ok({ taskId: taskId as string, inputResponses: null });
  const responses = responsesOf(inputResponses);
  return responses.ok ? ok({ taskId: taskId as string, inputResponses: responses.value }) : responses;
}

/** null = acceptable. Ours are call ids. */
export const taskIdProblem = (where: string, taskId: unknown): string | null =>
  textProblem(where, taskId, 256);

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
