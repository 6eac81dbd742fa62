import type { ApprovalRequest } from "../approvals/index.ts";
import { msOf } from "../base/index.ts";
import type { OpenCall, Outcome } from "../ledger/index.ts";
import { openCallsOfNode, readOpenCall } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { remove } from "../store/index.ts";
import { writeEnd } from "./end-pending.ts";
import type { House } from "./house.ts";
import { settleOpen } from "./recover.ts";
import { taskTable } from "./tables.ts";

const pageSize = 500;

/**
 * Ends calls that waited for input nobody gave, and tasks nobody asked for, once their time is over. A server that asked for input
 * had said that it had not carried the call out; what became of a task nobody knows.
 */
export async function endAbandoned(house: House): Promise<number> {
  let ended = 0;
  let after: OpenCall["call"] | undefined;
  const now = msOf(await house.store.now());
  for (;;) {
    const page = await openCallsOfNode(house.store, house.node.name, {
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    });
    for (const open of page) {
      if (msOf(open.dispatchBy) > now) continue;
      if (
        open.state === "pending" &&
        (await endUndecided(open, await house.approvals.ofCall(open.call), house))
      )
        ended++;
      if (open.state !== "waiting") continue;
      const isTask = (await house.store.get(taskTable, { call: open.call })) !== null;
      if (await settleOpen(open, isTask ? neverAskedFor : neverAnswered, house)) ended++;
    }
    after = page.at(-1)?.call;
    if (page.length < pageSize) break;
  }
  await forgetTasks(now, house);
  return ended + (await endOverdue(house));
}

/** Those of other nodes too, which may be gone. */
async function endOverdue(house: House): Promise<number> {
  let ended = 0;
  for (const request of await house.approvals.overdue(await house.store.now())) {
    const open = await readOpenCall(house.store, request.call);
    if (open?.state === "pending") {
      if (await endUndecided(open, request, house)) ended++;
    } else await house.store.commit(house.approvals.expire(request));
  }
  return ended;
}

/** Nobody decided in time, or nobody came back for what was decided: the call that waited ends, and nothing was sent. */
async function endUndecided(open: OpenCall, request: ApprovalRequest | null, house: House): Promise<boolean> {
  // Meanwhile people may have been asked anew.
  if (request === null || !house.approvals.isOver(request, await house.store.now())) return false;
  const code = request.state === "denied" ? "approval-denied" : "approval-expired";
  return (await writeEnd(open, request, code, house)) !== null;
}

/** A task's time is over, and its end on record: by now its server need not know it any more, and neither do we. */
async function forgetTasks(now: number, house: House): Promise<void> {
  const rows = await house.store.list(taskTable, { index: "expiry", from: 0, upTo: now, limit: pageSize });
  const removals: Write[] = [];
  for (const { call } of rows) {
    const open = await readOpenCall(house.store, call as OpenCall["call"]);
    if (open?.state !== "waiting") removals.push(remove(taskTable, { call }));
  }
  if (removals.length > 0) await house.store.commit(removals);
}

const neverAnswered: Outcome = { kind: "failed", code: "input-abandoned" };
const neverAskedFor: Outcome = { kind: "unknown", code: "input-abandoned" };
