import type { ApprovalRequest } from "../approvals/index.ts";
import { taskOfApproval } from "./approval-task.ts";
import type { PendingApproval, Refusal } from "../../contract/index.ts";
import { waitToolName } from "../../contract/index.ts";
import { deadlineIn, elapsedMs, msOf, plusMs, remainingMs } from "../base/index.ts";
import type { Profile } from "../registry/index.ts";
import type { Ask } from "../upstream/index.ts";
import { ExtendableDeadline } from "./extendable-deadline.ts";
import type { House } from "./house.ts";
import { speaksTasks } from "./speaks-tasks.ts";
import { sealState } from "./request-state.ts";
import type { Approved } from "./stages.ts";
import { Stop, refused } from "./station.ts";
import { storeRefusal } from "./store-refusal.ts";
import { whyAsked } from "./why-asked.ts";
import { withinTime } from "./within-time.ts";

/** A caller that comes back with its state is kept this long before it is asked to come back again; clients give up after 60 s. */
const roundWaitMs = 25_000;
/** So that a client sees that its call is alive. */
const progressEveryMs = 5_000;

/**
 * People are being asked. The caller learns of it in the best way that it can: a question with a link, a task, a question in its
 * session; else it is told, with what it needs to come back. All of these only notify: the vote is cast elsewhere, by people who
 * have signed in. Whoever waits here goes round again once people have decided.
 */
export async function awaitDecision(call: Approved, request: ApprovalRequest, house: House): Promise<Stop> {
  const pending = pendingOf(request, house);
  const why = await whyAsked(request, house);
  const { input } = call;
  if (call.patience !== null)
    return (await decided(call, request, call.patience, house)) ?? told(call, { pending, why });
  const ask = questionFor(input.profile, call, { pending, why });
  if (ask?.params["mode"] !== "url" && canBeTask(call)) return asTask(request, house);
  if (ask !== null && input.ask !== null) return askedInSession(call, request, { ask, pending, why }, house);
  if (ask === null || !canGoRound(call)) return told(call, { pending, why });
  // On first arrival it is asked at once; when it comes back, people have been told, and it may wait for them.
  if (call.returns !== null) {
    const stop = await decided(call, request, roundWaitMs, house);
    if (stop !== null) return stop;
  }
  return inRound(call, ask, house);
}

interface Wait {
  readonly pending: PendingApproval;
  /** A sentence with a space in front, or nothing. */
  readonly why: string;
}

interface Question extends Wait {
  readonly ask: Ask;
}

/**
 * `again` once people have decided, or cannot any more because the request has expired; null = neither in this time, the caller has
 * gone, or this node stops.
 */
async function decided(
  call: Approved,
  request: ApprovalRequest,
  ms: number,
  house: House,
): Promise<Stop | null> {
  let isOver = false;
  const { signal } = call.input;
  const leftMs = Math.max(0, elapsedMs(request.expiresAt, await house.store.now()));
  const deadline = deadlineIn(house.clock, Math.min(ms, leftMs));
  let end = (): void => undefined;
  // One of its own: a promise for all would keep every call that has ever waited.
  const decision = new Promise<void>((resolve) => (end = resolve));
  const over = withinTime(decision, { deadline, signal }, house.clock).then(() => {
    isOver = true;
  });
  const progress = tellProgress(call, ms, house, () => isOver);
  await house.approvals.forDecision(request.id, over);
  const inTime = !isOver;
  isOver = true;
  end();
  progress();
  if (house.isStopping() || house.approvals.isStopped) return null;
  const hasExpired = leftMs <= ms && !signal.aborted;
  return inTime || hasExpired ? new Stop({ kind: "again" }) : null;
}

function tellProgress(call: Approved, ms: number, house: House, isOver: () => boolean): () => void {
  const { onProgress } = call.input;
  if (onProgress === null) return () => undefined;
  let seconds = 0;
  let cancel = (): void => undefined;
  const tell = (): void => {
    if (isOver()) return;
    onProgress({ progress: seconds, total: ms / 1000, message: "waiting for approval" });
    seconds += progressEveryMs / 1000;
    cancel = house.clock.after(progressEveryMs, tell);
  };
  tell();
  return () => cancel();
}

async function askedInSession(
  call: Approved,
  request: ApprovalRequest,
  { ask, ...wait }: Question,
  house: House,
): Promise<Stop> {
  const { input, deadline } = call;
  const leftMs = Math.max(0, remainingMs(house.clock, deadline));
  const asking = Promise.resolve(input.ask?.({ approval: ask })).catch(() => undefined);
  const waiting = decided(call, request, leftMs, house);
  // What the client's user says there decides nothing; that it was shown is enough.
  void asking;
  const stop = await (deadline instanceof ExtendableDeadline ? deadline.during(waiting) : waiting);
  return stop ?? told(call, wait);
}

/** In an answer to a tool call alone (tasks extension); callers of the older era know another one by that name. */
const canBeTask = ({ input }: Approved): boolean =>
  input.ask === null && input.method === "tools/call" && speaksTasks(input.profile);

async function asTask(request: ApprovalRequest, house: House): Promise<Stop> {
  const text = JSON.stringify({ ...(await taskOfApproval(request, house)), resultType: "task" });
  return new Stop({ kind: "held", answer: { kind: "task", text, receipt: null } });
}

async function inRound(call: Approved, ask: Ask, house: House): Promise<Stop> {
  let requestState: string;
  try {
    requestState = await sealState(call, { upstream: null, park: null, isForApproval: true }, house);
  } catch (thrown) {
    return refused(storeRefusal(thrown));
  }
  const text = JSON.stringify({
    resultType: "input_required",
    inputRequests: { approval: ask },
    requestState,
  });
  return new Stop({ kind: "held", answer: { kind: "input-required", text, receipt: null } });
}

/** The client is asked by URL where it can show one, else by a form that only has to be sent. */
function questionFor({ capabilities }: Profile, call: Approved, { pending, why }: Wait): Ask | null {
  const elicitation = capabilities["elicitation"];
  if (typeof elicitation !== "object" || elicitation === null || pending.url === null) return null;
  // A client that sent the form away has seen it.
  if (isDeclined(call)) return null;
  const message = `${call.subject.exposedName} has to be approved before it runs.${why} Nothing has happened yet.`;
  const params =
    "url" in elicitation
      ? { mode: "url", message, url: pending.url, elicitationId: pending.approval }
      : {
          mode: "form",
          message: `${message} It is decided at ${pending.url}. Continue once that is done.`,
          requestedSchema: { type: "object", properties: {} },
        };
  return { method: "elicitation/create", params };
}

function isDeclined({ answered }: Approved): boolean {
  const action = answered?.["approval"];
  if (typeof action !== "object" || action === null || !("action" in action)) return false;
  return action.action === "decline" || action.action === "cancel";
}

/** MCP 2026-07-28, basic/patterns/mrtr: the requests that know rounds. Callers of the older era are asked in their session only. */
const canGoRound = ({ input }: Approved): boolean =>
  input.ask === null && input.method !== "completion/complete";

function pendingOf(request: ApprovalRequest, house: House): PendingApproval {
  // Told so that people can read it; whether it is over, the store says.
  const leftMs = elapsedMs(request.expiresAt, house.storeClock.now());
  return {
    call: request.call,
    approval: request.id,
    url: house.approvals.urlOf(request.id),
    expiresAt: new Date(msOf(plusMs(house.clock.wall(), leftMs))).toISOString(),
  };
}

function told(call: Approved, { pending, why }: Wait): Stop {
  const groups = call.rules.map(({ group }) => group).join(" and ");
  const where = pending.url === null ? "" : ` at ${pending.url}`;
  const refusal: Refusal = {
    code: "approval-needed",
    detail:
      `Nothing has happened yet. ${groups} can approve it${where} until ${pending.expiresAt}.${why} ` +
      `To wait for them and get its result, call ${waitToolName} with {"call":"${pending.call}"}, or make the same call again later.`,
    evidence: {
      policies: call.decision.reasons.map((policy) => policy.id),
      approvals: call.rules,
    },
    pending,
  };
  return new Stop({ kind: "held", answer: { kind: "refused", refusal, receipt: null } });
}
