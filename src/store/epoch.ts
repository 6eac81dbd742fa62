import { Fault, invariant } from "../base/index.ts";
import { leaseTable, metaTable } from "./own-tables.ts";
import type { Store } from "./store.ts";
import type { Write } from "./transaction.ts";
import { insert, update } from "./transaction.ts";

/**
 * The epoch of a store stands in front of every fence: it grows when the store no longer holds what it once acknowledged (it was
 * restored, or its log is shorter than a checkpoint that somebody kept). So whatever proves a fence of before proves nothing any more,
 * also one that the store itself has forgotten.
 */

/** Acquisitions of a lease per epoch. 2^25 of them and 2^28 epochs make a fence that a double holds exactly. */
export const fencesPerEpoch = 33_554_432;
/** Leases are one per node. */
const leasesMax = 10_000;
/** Several nodes may find the same at the same moment. */
const triesMax = 8;

/** The fence that every fence of this epoch is above. */
export const fenceFloor = (epoch: number): number => epoch * fencesPerEpoch;

export const epochName = "epoch";

/** 0 = it was never raised. */
export async function epochOf(store: Pick<Store, "get">): Promise<number> {
  return (await store.get(metaTable, { name: epochName }))?.value ?? 0;
}

/**
 * Raises the epoch and, with it, every fence; all leases are lost. An epoch is at least the minute of its making, so that two stores that
 * come of one backup, or one that was restored twice, do not share their epochs. Answers with the new one.
 */
export async function raiseEpoch(
  store: Pick<Store, "get" | "list" | "commit">,
  wallMs: number,
  more: readonly Write[] = [],
): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const epoch = await raiseEpochFrom(store, await epochOf(store), wallMs, more);
    if (epoch !== null) return epoch;
  }
  throw new Fault("store-busy", "the epoch could not be raised: others keep changing the leases");
}

/** The same, once, and only from this epoch: null = somebody has raised it since, or a lease has moved. */
export async function raiseEpochFrom(
  store: Pick<Store, "get" | "list" | "commit">,
  before: number,
  wallMs: number,
  more: readonly Write[],
): Promise<number | null> {
  const epoch = Math.max(before + 1, Math.floor(wallMs / 60_000));
  const floor = fenceFloor(epoch);
  invariant(Number.isSafeInteger(floor + fencesPerEpoch), `epoch ${epoch} is too large`);
  const row = await store.get(metaTable, { name: epochName });
  const leases = await store.list(leaseTable, { index: "key", limit: leasesMax });
  const { verdict } = await store.commit([
    row === null
      ? insert(metaTable, { name: epochName, value: epoch })
      : update(metaTable, { name: epochName }, { value: epoch }, { value: before }),
    ...leases.map(({ name, fence }) =>
      update(
        leaseTable,
        { name },
        { holder: "", fence: Math.max(fence + 1, floor), expiresAt: 0 },
        { fence },
      ),
    ),
    ...more,
  ]);
  return verdict === "done" ? epoch : null;
}
