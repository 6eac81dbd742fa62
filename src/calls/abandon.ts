import type { ApprovalRequest } from "../approvals/index.ts";
import { msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { OpenCall, OpenCallState, Outcome } from "../ledger/index.ts";
import { listOpenCalls, readOpenCall } from "../ledger/index.ts";
import type { Write } from "../store/index.ts";
import { remove } from "../store/index.ts";
import { writeEnd } from "./end-pending.ts";
import { isFromBefore } from "./held-in-review.ts";
import type { House } from "./house.ts";
import { settleOpen } from "./recover.ts";
import { taskTable } from "./tables.ts";

const pageSize = 500;

/**
 * Ends calls that waited for input nobody gave, and tasks nobody asked for, once their time is over, whichever node they came to. A server
 * that asked for input had said that it had not carried the call out; what became of a task nobody knows.
 */
export async function endAbandoned(house: House): Promise<number> {
  const now = msOf(await house.store.now());
  let ended = 0;
  for (const tenant of house.tenants()) {
    ended += await endEach(house, tenant, "waiting", now, async (open) => {
      const isTask = (await house.store.get(taskTable, { call: open.call })) !== null;
      return settleOpen(open, isTask ? neverAskedFor : neverAnswered, house);
    });
    ended += await endEach(house, tenant, "pending", now, async (open) =>
      endUndecided(open, await house.approvals.ofCall(open.call), house),
    );
  }
  await forgetTasks(now, house);
  return ended + (await endOverdue(house));
}

/** Those in this state whose time is over. `end` answers whether it did, and not somebody else. */
async function endEach(
  { store }: House,
  tenant: TenantId,
  state: OpenCallState,
  now: number,
  end: (open: OpenCall) => Promise<boolean>,
): Promise<number> {
  let ended = 0;
  let after: OpenCall["call"] | undefined;
  for (;;) {
    const page = await listOpenCalls(store, tenant, state, {
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    });
    for (const open of page) if (msOf(open.dispatchBy) <= now && (await end(open))) ended++;
    after = page.at(-1)?.call;
    if (page.length < pageSize) return ended;
  }
}

/** What people were asked and did not decide in time. */
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
  // It may have been approved and carried out in the time that the store has lost: no end is put on record that says it was not.
  if (isFromBefore(open, house)) return false;
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
