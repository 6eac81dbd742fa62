import type { Clock, MonotonicMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { Lease, Store } from "./store.ts";

/** Somebody else's, it is asked for again after so long: they may have given it up. */
const othersMs = 500;

export interface DutyOptions {
  readonly store: Pick<Store, "acquireLease" | "commit" | "renewLease" | "releaseLease">;
  readonly clock: Clock;
  /** What is to be done by one node at a time. */
  readonly name: string;
  /** Of this process and no other, or two would have it at once. */
  readonly holder: string;
  /** Whoever has it and falls silent loses it after so long. */
  readonly ttlMs: number;
}

/**
 * Work that one node does for all, under a lease that is taken when nobody has it. It spares the others the trouble and is no
 * proof: what is done in its name guards its own writes, because a holder that was paused does not know that it has lost it.
 */
export class Duty {
  private readonly options: DutyOptions;
  private lease: Lease | null = null;
  private askedAt: MonotonicMs | null = null;
  private asking: Promise<boolean> | null = null;

  constructor(options: DutyOptions) {
    this.options = options;
  }

  /**
   * Whether it is this node's turn. Asked again soon, it answers as before, without the store: within a third of the time to live
   * where it is, within half a second where it is not. Rejects with the store's Fault, `lease-lost` when this node lives no more.
   */
  isOurs(): boolean | Promise<boolean> {
    const { clock, ttlMs } = this.options;
    const keptMs = this.lease === null ? Math.min(ttlMs / 3, othersMs) : ttlMs / 3;
    if (this.askedAt !== null && elapsedMs(clock.monotonic(), this.askedAt) < keptMs)
      return this.lease !== null;
    this.asking ??= this.ask().finally(() => (this.asking = null));
    return this.asking;
  }

  /** Somebody else may have it at once. */
  async giveUp(): Promise<void> {
    await this.asking?.catch(() => false);
    const { lease } = this;
    this.lease = null;
    this.askedAt = null;
    if (lease !== null) await this.options.store.releaseLease(lease);
  }

  private async ask(): Promise<boolean> {
    const { store, clock, name, holder, ttlMs } = this.options;
    const askedAt = clock.monotonic();
    // A node that has lost its own lease may not hold this one against those that live: a flush without writes proves it.
    await store.commit([]);
    const renewed = this.lease === null ? null : await store.renewLease(this.lease, ttlMs);
    this.lease = renewed ?? (await store.acquireLease(name, holder, ttlMs));
    this.askedAt = askedAt;
    return this.lease !== null;
  }
}
