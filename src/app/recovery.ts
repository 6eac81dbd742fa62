import type { Acts } from "../admin/index.ts";
import { recoverFromBefore } from "../calls/index.ts";
import type { Clock, Random } from "../base/index.ts";
import { Fault, msOf, newId } from "../base/index.ts";
import type { Identities, TenantId } from "../identity/index.ts";
import { systemTenant } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Ledger, Recovery } from "../ledger/index.ts";
import {
  beginReview,
  dueRecovery,
  recoveryBegun,
  recoveryWrite,
  rememberedProblem,
} from "../ledger/index.ts";
import { holdOpenRuns } from "../runs/index.ts";
import type { Store } from "../store/index.ts";
import { epochOf, fenceFloor, raiseEpoch } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";

/**
 * The store does not hold what it once acknowledged: every fence of before is over, and whatever node starts on it next puts all that was
 * open into review. One transaction. Answers with the epoch.
 */
export function markRecovered(
  store: Pick<Store, "get" | "list" | "commit">,
  reason: Recovery["reason"],
  detail: string,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<number> {
  const at = clock.wall();
  const write = recoveryWrite(newId("rcv", at, random), { at, reason, detail });
  return raiseEpoch(store, msOf(at), [write]);
}

/** Before the node takes its lease: the raised epoch takes it from whoever may think that it still has it. */
export async function compareRemembered(
  store: Store,
  remembered: ReadonlyMap<TenantId, string>,
  sources: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<void> {
  for (const [tenant, note] of remembered) {
    const problem = await rememberedProblem(store, tenant, note);
    if (problem === null) continue;
    sources.log.error(
      "the ledger is not what this node remembers of it: the data was put back to an earlier state",
      {
        tenant,
        reason: problem.detail,
      },
    );
    await markRecovered(store, problem.reason, problem.detail, sources);
    return;
  }
}

export interface ReviewHouse {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly identities: Identities;
  readonly acts: Acts;
  readonly log: Log;
}

/**
 * Puts what was open into review, where that is due: runs are held, calls that were dispatched are unknown, each tenant has its entry. Before
 * the node takes calls or starts agents. Broken off, the next start does the rest. True = it was due.
 */
export async function beginReviews(house: ReviewHouse): Promise<boolean> {
  const { store, ledger, identities, log } = house;
  const tenants = identities.tenants().filter(({ id }) => id !== systemTenant);
  let wasDue = false;
  for (let due = await dueRecovery(store); due !== null; due = await dueRecovery(store)) {
    wasDue = true;
    const floor = fenceFloor(await epochOf(store));
    for (const { id } of tenants) await beginOne(id, due, floor, house);
    await store.commit([recoveryBegun(due.id)]);
    await ledger.reviewsChanged();
  }
  for (const { id } of tenants) {
    const review = ledger.review(id);
    if (review === null) continue;
    log.error("runs wait in review until an operator releases them: signalbox runs review ls", {
      tenant: id,
      reason: review.detail,
    });
  }
  return wasDue;
}

/** Each loses only to a node that got further. */
const triesMax = 5;

async function beginOne(
  tenant: TenantId,
  recovery: Recovery,
  floor: number,
  house: ReviewHouse,
): Promise<void> {
  const { ledger, identities, acts, clock } = house;
  const node = identities.node(tenant);
  if (!node.ok) throw new Fault("internal", `tenant ${tenant} has no node`);
  const runs = await holdOpenRuns(node.value, recovery, house);
  const calls = await recoverFromBefore(tenant, floor, house);
  const { reason, detail } = recovery;
  for (let tries = 1; ; tries++) {
    const standing = ledger.review(tenant);
    if (standing !== null && standing.floor >= floor) return; // by another node that starts at the same moment
    const review = { tenant, since: clock.wall(), reason, detail, floor };
    const change = { writes: [beginReview(review, standing)], value: null, applied: () => undefined };
    const act = { actor: node.value, action: "admin.review.begin", decision: null };
    const done = await acts.perform(act, null, change, { reason, detail, runs, calls });
    if (done.ok) return;
    const { code } = done.refusal;
    if (code !== "conflict" || tries === triesMax)
      throw new Fault(code, `beginning the review of tenant ${tenant}: ${done.refusal.detail}`);
    await ledger.reviewsChanged();
  }
}
