import type { StoreMs } from "../base/index.ts";
import type { RunId } from "../ledger/index.ts";
import { askToWake, readOpenCall, runById } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import type { ApprovalId, ApprovalRequest } from "./request.ts";
import { approvalsOfRun } from "./request.ts";

/** A call of a run that waits for people. */
export interface RunAsks {
  readonly step: string;
  readonly approval: ApprovalId;
  /** Who is asked: each of them has to say yes. */
  readonly groups: readonly string[];
  readonly until: StoreMs;
  /** They have decided, and the agent has not come back for it. */
  readonly isDecided: boolean;
}

/** More calls than this wait for people in no run: each is a branch of its program. What is beyond is seen when some of these are over. */
const asksMax = 64;

export async function asksOfRun(store: Pick<Store, "get" | "list">, run: RunId): Promise<readonly RunAsks[]> {
  const found: RunAsks[] = [];
  for (const state of ["pending", "approved", "denied"] as const) {
    for (const request of await approvalsOfRun(store, run, state, asksMax)) {
      const { id, rules, step, call, expiresAt } = request;
      if (step === null) continue;
      // A call that was denied stays open until its agent, or time, has ended it.
      if (state !== "pending" && (await readOpenCall(store, call))?.state !== "pending") continue;
      const groups = [...new Set(rules.map(({ group }) => group))];
      found.push({ step, approval: id, groups, until: expiresAt, isDecided: state !== "pending" });
    }
  }
  return found;
}

/**
 * Goes into the transaction of a decision. Fails when the run ends at the same moment: then nothing has to be woken, and whoever decides
 * looks again.
 */
export async function wakingWrites(
  { run, tenant }: ApprovalRequest,
  now: StoreMs,
  store: Pick<Store, "get" | "list">,
): Promise<readonly Write[]> {
  if (run === null) return [];
  const found = await runById(store, tenant, run);
  return found === null || found.state !== "open" || found.hook === null ? [] : [askToWake(found, now)];
}
