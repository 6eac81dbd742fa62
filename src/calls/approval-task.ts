import type { ApprovalRequest } from "../approvals/index.ts";
import { waitToolName } from "../../contract/index.ts";
import { elapsedMs, msOf, plusMs } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { CallId } from "../ledger/index.ts";
import type { TaskInput } from "./call.ts";
import { whyNot, withdrawPending } from "./end-pending.ts";
import { entryId } from "./entries.ts";
import type { House } from "./house.ts";
import { principalIds } from "./principal-ids.ts";
import { ownCall } from "./own-call.ts";
import { withReceipt, withheldText } from "./result-text.ts";
import { whyAsked } from "./why-asked.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** A person takes minutes; votes on this node are told at once all the same, to whoever listens. */
const pollIntervalMs = 5_000;
/** The caller of a task waits nowhere: the call that it comes back for goes on by itself. */
const waitSeconds = 1;

/** How a call that waits for people stands, as a task (tasks extension). */
export async function taskOfApproval(request: ApprovalRequest, house: House): Promise<JsonObject> {
  const now = await house.store.now();
  const wall = house.clock.wall();
  const asked = new Date(msOf(plusMs(wall, elapsedMs(request.requestedAt, now)))).toISOString();
  const groups = request.rules.map(({ group }) => group).join(" and ");
  const url = house.approvals.urlOf(request.id);
  return {
    taskId: request.call,
    status: "working",
    statusMessage: `Waits for approval by ${groups}${url === null ? "" : ` at ${url}`}.${await whyAsked(request, house)} Nothing has happened yet.`,
    createdAt: asked,
    lastUpdatedAt: asked,
    ttlMs: Math.max(0, elapsedMs(request.expiresAt, now)),
    pollIntervalMs,
  };
}

/**
 * A request about such a task. Asking for it is coming back for its call: once people have decided, that goes on, and the next request
 * finds how it ended. Null = this principal has no such call.
 */
export async function approvalTask(
  input: TaskInput,
  principal: Principal,
  house: House,
): Promise<JsonObject | null> {
  const request = await house.approvals.ofCall(input.taskId as CallId); // any text may be looked for
  const isOurs = request?.principals.join(" ") === principalIds(principal).join(" ");
  if (request === null || request.tenant !== principal.tenant || !isOurs) return null;
  const end = await endOf(request, house);
  if (input.method !== "tasks/get") {
    if (end === null && input.method === "tasks/cancel") await withdrawPending(request, house);
    return {};
  }
  const task = await taskOfApproval(request, house);
  if (end !== null)
    return { ...task, ttlMs: null, statusMessage: "It has ended.", status: "completed", result: end };
  if (request.state === "pending") return task;
  const { requestId, authenticate, profile } = input;
  const args = { call: request.call, seconds: waitSeconds };
  house.comeBack(
    ownCall({ requestId, authenticate, name: waitToolName, arguments: args, profile }, house.clock),
  );
  return { ...task, statusMessage: "It was decided about." };
}

/** The tool result that is on record; null = it has not ended. */
async function endOf(request: ApprovalRequest, house: House): Promise<JsonObject | null> {
  const call = request.call;
  const resolved = await house.ledger.entry(request.tenant, entryId(call, 2));
  const found = resolved ?? (await house.ledger.entry(request.tenant, entryId(call, 1)));
  const outcome = found?.entry.outcome ?? null;
  if (found === null || outcome === null) return null;
  const opened = await house.ledger.payload(found);
  const seen = opened === null || opened.erased ? undefined : opened.payload.result;
  const receipt = { entry: found.entry.id, leaf: Buffer.from(found.leafHash).toString("base64") };
  const text =
    seen ??
    (outcome.kind === "succeeded"
      ? withheldText("erased", "see its entry")
      : withheldText(
          outcome.code,
          outcome.kind === "refused" ? await whyNot(request, house) : `see call ${call}`,
        ));
  return JSON.parse(withReceipt(text, receipt)) as JsonObject;
}
