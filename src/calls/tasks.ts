import type { Refusal } from "../../contract/index.ts";
import type { Deadline } from "../base/index.ts";
import { canonicalJson, deadlineIn, faultFrom, memberSpan } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId } from "../ledger/index.ts";
import type { Profile, Subject } from "../registry/index.ts";
import { removeKnownSecretsFromJson } from "../screening/index.ts";
import type { RowOf } from "../store/index.ts";
import { approvalTask } from "./approval-task.ts";
import type { CallAnswer, TaskInput } from "./call.ts";
import { callerOf, principalIds } from "./principal-ids.ts";
import { openTaskId } from "./hold-task.ts";
import type { House } from "./house.ts";
import type { Planned } from "./stages.ts";
import { taskTable } from "./tables.ts";
import { recordedEnd, settleTask } from "./settle-task.ts";
import { speaksTasks, tasksExtension } from "./speaks-tasks.ts";

type TaskRow = RowOf<typeof taskTable.columns>;
type JsonObject = Readonly<Record<string, unknown>>;

/** One request to a task's server. */
interface Asking extends Pick<TaskInput, "method" | "inputResponses" | "signal"> {
  readonly profile: Profile;
  readonly principal: Principal;
  /** null = the server's own call timeout. */
  readonly deadline: Deadline | null;
}

const none: JsonObject = {};

/**
 * What became of a task, for the principal whose call it is. Its end, once the server says it, is recorded like that of any call
 * and given back from the record from then on. Somebody else's task looks like a missing one.
 */
export async function taskRequest(input: TaskInput, house: House): Promise<CallAnswer> {
  const who = await input.authenticate();
  if (!who.ok) return refused(who.refusal);
  const asking: Asking = { ...input, principal: who.value, deadline: null };
  return safely(input.taskId, who.value, house, async () => {
    const row = await house.store.get(taskTable, { call: input.taskId });
    if (row === null) {
      const state = await approvalTask(input, who.value, house);
      return state === null ? { kind: "refused", refusal: missing } : { kind: "state", state };
    }
    if (!isOwner(row, who.value)) return { kind: "refused", refusal: missing };
    return stateOf(asking, row, house);
  });
}

/**
 * A call that waits turns out to be a task: its state, asked for anew, as the answer to the call that was made again. null = it is no
 * task, and waits for input.
 */
export async function standingTask(id: CallId, call: Planned, house: House): Promise<CallAnswer | null> {
  const row = await house.store.get(taskTable, { call: id });
  if (row === null) return null;
  const { principal, input, deadline } = call;
  if (!isOwner(row, principal)) return refused(missing);
  if (!speaksTasks(input.profile))
    return refused({
      code: "missing-capability",
      detail: `it goes on as a task: ${tasksExtension} is needed`,
    });
  const { signal, profile } = input;
  const asking: Asking = { method: "tasks/get", inputResponses: null, signal, profile, principal, deadline };
  const answer = await safely(id, principal, house, () => stateOf(asking, row, house));
  if (answer.kind !== "result") return answer;
  const state = JSON.parse(answer.text) as JsonObject; // our own text
  return { kind: "task", text: JSON.stringify({ ...state, resultType: "task" }), receipt: null };
}

type Found =
  | { readonly kind: "state"; readonly state: JsonObject }
  | { readonly kind: "refused"; readonly refusal: Refusal };

async function stateOf(asking: Asking, row: TaskRow, house: House): Promise<Found> {
  const { principal, method } = asking;
  const end = await recordedEnd(row.call as CallId, principal.tenant, house);
  if (end !== null) return { kind: "state", state: method === "tasks/get" ? withId(end, row) : none };
  const subject = house.registry.toolById(principal.tenant, row.subject);
  if (subject !== null) return ask(asking, row, subject, house);
  const refusal = { code: "tool-unavailable", detail: "the task's server was removed" } as const;
  return { kind: "refused", refusal };
}

async function ask(asking: Asking, row: TaskRow, subject: Subject, house: House): Promise<Found> {
  const { principal, inputResponses, method } = asking;
  const taskId = await openTaskId(row.task, principal.tenant, house);
  const reply = await house.upstreams.exchange({
    server: subject.server,
    method,
    name: taskId,
    argumentsText: canonicalJson(inputResponses === null ? { taskId } : { taskId, inputResponses }),
    meta: none,
    caller: callerOf(principal),
    deadline: asking.deadline ?? deadlineIn(house.clock, subject.server.callTimeoutMs),
    signal: asking.signal,
    advice: null,
    profile: asking.profile,
    logLevel: null,
    round: null,
    onAsk: null,
    onLog: null,
    onProgress: null,
    mayDispatch: () => !asking.signal.aborted,
  });
  if (reply.kind === "rejected" || reply.kind === "error") {
    const detail = `${subject.server.name} answered with error ${reply.error.code}: ${reply.error.message}`;
    return { kind: "refused", refusal: { code: "upstream-rejected", detail, rpc: reply.error } };
  }
  if (reply.kind !== "result")
    return { kind: "refused", refusal: { code: "upstream-garbage", detail: "a task is no answer here" } };
  if (method !== "tasks/get") return { kind: "state", state: none };
  const span = memberSpan(reply.raw, "result");
  const raw = span === null ? null : reply.raw.slice(span[0], span[1]);
  const told = { call: row.call as CallId, status: reply.value, raw, subject, principal };
  return { kind: "state", state: withId(await settleTask(told, house), row) };
}

/** Never rejects; what a server says of a failure is cleared of known credentials. */
async function safely(
  task: string,
  principal: Principal,
  house: House,
  find: () => Promise<Found>,
): Promise<CallAnswer> {
  let found: Found;
  try {
    found = await find();
  } catch (thrown) {
    const { code, message, evidence } = faultFrom(thrown, `asking for task ${task}`);
    if (code === "internal") house.onTrouble(`asking for task ${task}`, thrown);
    found = { kind: "refused", refusal: { code, detail: code === "internal" ? "" : message, evidence } };
  }
  if (found.kind === "state") return answer(found.state);
  const secrets = house.vault.knownSecrets(principal.tenant);
  const { text, removed } = removeKnownSecretsFromJson(JSON.stringify(found.refusal), secrets);
  if (removed === 0) return refused(found.refusal);
  const { code } = found.refusal;
  return refused(text.startsWith("{") ? { ...(JSON.parse(text) as Refusal), code } : { code, detail: "" });
}

const missing: Refusal = { code: "unknown-task", detail: "" };

const isOwner = (row: TaskRow, principal: Principal): boolean =>
  row.tenant === principal.tenant && row.owner === principalIds(principal).join("\n");

const withId = (status: JsonObject, row: TaskRow): JsonObject => ({ ...status, taskId: row.call });

/** Nothing of it has an entry of its own: the call has, at its end. */
const answer = (value: JsonObject): CallAnswer => ({
  kind: "result",
  text: JSON.stringify({ ...value, resultType: "complete" }),
  receipt: null,
});

const refused = (refusal: Refusal): CallAnswer => ({ kind: "refused", refusal, receipt: null });
