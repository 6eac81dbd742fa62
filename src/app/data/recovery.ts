import type { Acts } from "../../admin/index.ts";
import { recoverFromBefore } from "../../calls/index.ts";
import type { Clock, Random } from "../../base/index.ts";
import { Fault, delay, msOf, newId } from "../../base/index.ts";
import type { Identities, TenantId } from "../../identity/index.ts";
import { systemTenant } from "../../identity/index.ts";
import type { Keys } from "../../keys/index.ts";
import type { Ledger, Recovery } from "../../ledger/index.ts";
import {
  beginReview,
  dueRecovery,
  newestCheckpoints,
  recoveriesIn,
  recoveryBegun,
  recoveryWrite,
  rememberedProblem,
} from "../../ledger/index.ts";
import { holdOpenRuns } from "../../runs/index.ts";
import type { Store } from "../../store/index.ts";
import { epochOf, fenceFloor, raiseEpoch, raiseEpochFrom } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { RememberedCheckpoints } from "./remembered-checkpoints.ts";

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

/**
 * A roll call has found that something is gone: one recovery for all, whoever of the nodes writes it down. The epoch was raised when the
 * roll call began; nodes that found theirs keep their leases.
 */
export async function recordLoss(store: Pick<Store, "commit">, epoch: number, clock: Clock): Promise<void> {
  const detail =
    "the database became another, and something is gone that was confirmed to a node, or to one that did not answer";
  await store.commit([recoveryWrite(`rcv_epoch_${epoch}`, { at: clock.wall(), reason: "lost", detail })]);
}

/** Each loses only to a node that looked at the same moment. */
const compareTriesMax = 8;

/**
 * Before the node takes its lease: the raised epoch takes it from whoever may think that it still has it. Of several nodes that miss
 * something the first to start writes a recovery down. Whatever a node misses is explained by a recovery that it has not known of.
 */
export async function compareRemembered(
  store: Store,
  remembered: RememberedCheckpoints,
  sources: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<void> {
  const { clock, random, log } = sources;
  const checkpoints = remembered.read();
  for (let tries = 0; tries < compareTriesMax; tries++) {
    const epoch = await epochOf(store);
    const recoveries = await recoveriesIn(store);
    const problem = await problemWith(checkpoints, store);
    if (problem === null) return remembered.know(recoveries);
    const known = remembered.knownRecoveries();
    const { tenant, reason, detail } = problem;
    if (known !== null && recoveries.some((id) => !known.has(id))) {
      log.warn("what this node remembers is not in the ledger any more, which is on record as a recovery", {
        tenant,
        reason: detail,
      });
      return remembered.replace(await newestCheckpoints(store), recoveries);
    }
    log.error("the ledger is not what this node remembers of it: the data was put back to an earlier state", {
      tenant,
      reason: detail,
    });
    const at = clock.wall();
    const write = recoveryWrite(newId("rcv", at, random), { at, reason, detail });
    if ((await raiseEpochFrom(store, epoch, msOf(at), [write])) !== null) return;
  }
  throw new Fault("store-busy", "other nodes keep changing the leases while this one starts; start again");
}

async function problemWith(checkpoints: ReadonlyMap<TenantId, string>, store: Store) {
  for (const [tenant, note] of checkpoints) {
    const problem = await rememberedProblem(store, tenant, note);
    if (problem !== null) return { tenant, ...problem };
  }
  return null;
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
    if (due.reason === "lost") await delay(house.clock, underWayMs);
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
/**
 * Nodes that live have made no runs under new names since they are in doubt; one that was looked up before may still be on its way into
 * the store. Nothing bounds that but this: it takes some milliseconds, and a node that sleeps for longer just there is one in a great many.
 */
const underWayMs = 1_000;

async function beginOne(
  tenant: TenantId,
  recovery: Recovery,
  floor: number,
  house: ReviewHouse,
): Promise<void> {
  const node = house.identities.node(tenant);
  if (!node.ok) throw new Fault("internal", `tenant ${tenant} has no node`);
  const runs = await holdOpenRuns(node.value, recovery, house);
  // Nodes that have lost nothing live on, with their calls; those of the others are taken over with their leases.
  const ofNobody = recovery.reason === "lost" ? ["waiting" as const] : (["dispatched", "waiting"] as const);
  const calls = await recoverFromBefore(tenant, floor, ofNobody, house);
  await beginOf(tenant, recovery, floor, { runs, calls }, house);
}

async function beginOf(
  tenant: TenantId,
  { reason, detail }: Recovery,
  floor: number,
  counts: { readonly runs: number; readonly calls: number },
  { ledger, identities, acts, clock }: ReviewHouse,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const standing = ledger.review(tenant);
    if (standing !== null && standing.floor >= floor) return; // by another node that starts at the same moment
    const review = { tenant, since: clock.wall(), reason, detail, floor };
    const change = { writes: [beginReview(review, standing)], value: null, applied: () => undefined };
    const node = identities.node(tenant);
    if (!node.ok) throw new Fault("internal", `tenant ${tenant} has no node`);
    const act = { actor: node.value, action: "admin.review.begin", decision: null };
    const done = await acts.perform(act, null, change, { reason, detail, ...counts });
    if (done.ok) return;
    const { code } = done.refusal;
    if (code !== "conflict" || tries === triesMax)
      throw new Fault(code, `beginning the review of tenant ${tenant}: ${done.refusal.detail}`);
    await ledger.reviewsChanged();
  }
}
