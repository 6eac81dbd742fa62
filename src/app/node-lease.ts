import type { Clock } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import type { Lease, Store } from "../store/index.ts";

/** How long a node that fell silent keeps its work: long enough for a stop-the-world pause, short for those who wait. */
export const nodeLeaseMs = 15_000;
const renewEveryMs = nodeLeaseMs / 3;

export interface NodeLeaseOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly holder: string;
  /** The lease moved or could not be renewed in time: this node must not work any more. */
  readonly onLost: () => void;
}

/** The node's one lease: taken at start, proved by every flush, renewed until stop. */
export class NodeLease {
  private readonly options: NodeLeaseOptions;
  private lease: Lease | null = null;
  private cancelTimer: (() => void) | null = null;
  private isStopped = false;

  constructor(options: NodeLeaseOptions) {
    this.options = options;
  }

  /** The new fence, higher than that of any earlier process of this node. */
  async start(): Promise<number> {
    const { store, holder } = this.options;
    const lease = await store.acquireLease("node/local", holder, nodeLeaseMs);
    if (lease === null) throw new Fault("store-in-use", "another node holds this data directory's lease");
    store.bindToLease(lease);
    this.lease = lease;
    this.renewLater();
    return lease.fence;
  }

  /** Gives the lease back. Safe to call twice. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancelTimer?.();
    const { lease } = this;
    this.lease = null;
    if (lease !== null) await this.options.store.releaseLease(lease);
  }

  private renewLater(): void {
    this.cancelTimer = this.options.clock.after(renewEveryMs, () => {
      void this.renew();
    });
  }

  private async renew(): Promise<void> {
    if (this.lease === null) return;
    try {
      const renewed = await this.options.store.renewLease(this.lease, nodeLeaseMs);
      if (this.isStopped) return;
      if (renewed === null) {
        this.lease = null;
        this.options.onLost();
        return;
      }
      this.lease = renewed;
    } catch {
      // A store that cannot be written renews nothing: effects have stopped already, and the next try may find it well again.
    }
    if (!this.isStopped) this.renewLater();
  }
}
