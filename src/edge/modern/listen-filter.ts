import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { ListKind } from "../../registry/index.ts";
import { uriProblem } from "../call-params.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";
import { taskIdProblem } from "./task.ts";

/** What a client asks to hear of (MCP 2026-07-28, basic/patterns/subscriptions, "Notification Filter"). */
export interface ListenFilter {
  readonly kinds: readonly ListKind[];
  /** Each once. */
  readonly uris: readonly string[];
  /** Tasks to hear of, each once; only a client that declares the extension may ask. */
  readonly taskIds: readonly string[];
}

const members = {
  tools: "toolsListChanged",
  resources: "resourcesListChanged",
  prompts: "promptsListChanged",
} as const satisfies Record<ListKind, string>;
const kinds: readonly ListKind[] = ["tools", "resources", "prompts"];

/** Each is asked about again and again on the client's behalf. */
const tasksMax = 16;

/** Members we do not know pass: the acknowledgement says what is honoured. */
export function listenFilter(notifications: unknown, urisMax: number): Result<ListenFilter> {
  if (!isObject(notifications)) return bad("params.notifications must be an object.");
  const formless = kinds.map((kind) => members[kind]).find((name) => !isFlag(notifications[name]));
  if (formless !== undefined) return bad(`params.notifications.${formless} must be true or false.`);
  const uris = textsIn(notifications, "resourceSubscriptions", urisMax, uriProblem);
  if (!uris.ok) return uris;
  const taskIds = textsIn(notifications, "taskIds", tasksMax, taskIdProblem);
  if (!taskIds.ok) return taskIds;
  return ok({
    kinds: kinds.filter((kind) => notifications[members[kind]] === true),
    uris: uris.value,
    taskIds: taskIds.value,
  });
}

function textsIn(
  notifications: JsonObject,
  member: string,
  max: number,
  problemOf: (where: string, value: unknown) => string | null,
): Result<readonly string[]> {
  const { [member]: asked = [] } = notifications;
  if (!Array.isArray(asked)) return bad(`params.notifications.${member} must be an array.`);
  const texts = [...new Set<unknown>(asked)];
  if (texts.length > max)
    return bad(`params.notifications.${member} has ${texts.length} members; at most ${max} are accepted.`);
  const problem = texts
    .map((text) => problemOf(`A member of params.notifications.${member}`, text))
    .find((each) => each !== null);
  return problem === undefined ? ok(texts as string[]) : bad(problem); // every one was looked at
}

/** What is honoured of it, in the client's words. */
export const honouredFilter = (honoured: ListenFilter): JsonObject => ({
  ...Object.fromEntries(honoured.kinds.map((kind) => [members[kind], true])),
  ...(honoured.uris.length === 0 ? {} : { resourceSubscriptions: honoured.uris }),
  ...(honoured.taskIds.length === 0 ? {} : { taskIds: honoured.taskIds }),
});

const isFlag = (value: unknown): boolean => value === undefined || typeof value === "boolean";

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
