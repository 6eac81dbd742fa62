import type { CancelTimer, Clock, WallMs } from "../base/index.ts";
import { msOf, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { RowOf, Store, Write } from "../store/index.ts";
import { insert, remove, update } from "../store/index.ts";
import { recoveryTable, reviewTable } from "./tables.ts";

/**
 * Why the store is not what it once acknowledged.
 *  lost      it became another database (a standby was promoted, or it was put back) without what it had confirmed to a node, or to one
 *            that did not answer
 *  restored  it was made from a backup, or an operator said that it was brought back
 *  short     its log ends before a checkpoint that was kept outside of it
 *  forked    its log and such a checkpoint are two histories
 */
export type RecoveryReason = "lost" | "restored" | "short" | "forked";

/** What has been done since is not known here: everything that was open has to be looked at by people. */
export interface Recovery {
  readonly at: WallMs;
  readonly reason: RecoveryReason;
  readonly detail: string;
}

/** Of a tenant, until an operator has released it. */
export interface Review {
  readonly tenant: TenantId;
  readonly since: WallMs;
  readonly reason: RecoveryReason;
  readonly detail: string;
  /** A fence below this belongs to what was there before. */
  readonly floor: number;
}

/** Goes into the transaction that raises the epoch: whatever starts on this store next has to begin the reviews. */
export const recoveryWrite = (id: string, recovery: Recovery): Write =>
  insert(recoveryTable, {
    id,
    at: msOf(recovery.at),
    reason: recovery.reason,
    detail: recovery.detail,
    isBegun: 0,
  });

export interface DueRecovery extends Recovery {
  readonly id: string;
}

/** The oldest whose reviews have not begun in every tenant; null = none. */
export async function dueRecovery(store: Pick<Store, "list">): Promise<DueRecovery | null> {
  const [row] = await store.list(recoveryTable, { index: "begun", equals: { isBegun: 0 }, limit: 1 });
  return row === undefined
    ? null
    : { id: row.id, at: wallMs(row.at), reason: row.reason as RecoveryReason, detail: row.detail };
}

/** Recoveries are rare, and each is a person's morning. */
const recoveriesMax = 1_000;

/** The ids of all that were ever written down in this store. */
export async function recoveriesIn(store: Pick<Store, "list">): Promise<readonly string[]> {
  const rows = await store.list(recoveryTable, { index: "key", limit: recoveriesMax });
  return rows.map(({ id }) => id);
}

export const recoveryBegun = (id: string): Write =>
  update(recoveryTable, { id }, { isBegun: 1 }, { isBegun: 0 });

/** A review that is on already is begun anew: its floor rises. */
export function beginReview(review: Review, before: Review | null): Write {
  const { tenant, reason, detail, floor } = review;
  const row = { since: msOf(review.since), reason, detail, floor };
  return before === null
    ? insert(reviewTable, { tenant, ...row })
    : update(reviewTable, { tenant }, row, { floor: before.floor });
}

/** Fails when it was begun anew meanwhile, or somebody was faster. */
export const endReview = ({ tenant, floor }: Review): Write => remove(reviewTable, { tenant }, { floor });

/** Another node's release reaches this one within a second, like a revocation. */
const refreshEveryMs = 1_000;
const reviewsMax = 10_000;

/** The reviews that are on, at hand for every call: almost always none. */
export class ReviewBook {
  private readonly store: Pick<Store, "list">;
  private readonly clock: Clock;
  private reviews: ReadonlyMap<TenantId, Review> = new Map();
  private cancel: CancelTimer | null = null;
  private isStopped = false;

  constructor(store: Pick<Store, "list">, clock: Clock) {
    this.store = store;
    this.clock = clock;
  }

  async start(): Promise<void> {
    await this.refresh();
    this.later();
  }

  /** Safe to call twice. */
  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  /** null = there is none. */
  of(tenant: TenantId): Review | null {
    return this.reviews.get(tenant) ?? null;
  }

  /** After an act that began or ended one. */
  async refresh(): Promise<void> {
    const rows = await this.store.list(reviewTable, { index: "key", limit: reviewsMax });
    this.reviews = new Map(rows.map((row) => [row.tenant as TenantId, reviewOf(row)]));
  }

  private later(): void {
    if (this.isStopped) return;
    this.cancel = this.clock.after(refreshEveryMs, () => {
      // A store that cannot be read is told by others; what is known stands.
      void this.refresh()
        .catch(() => undefined)
        .finally(() => this.later());
    });
  }
}

// The casts name what `beginReview` wrote: the store gives back what it was given.
const reviewOf = (row: RowOf<typeof reviewTable.columns>): Review => ({
  tenant: row.tenant as TenantId,
  since: wallMs(row.since),
  reason: row.reason as RecoveryReason,
  detail: row.detail,
  floor: row.floor,
});
