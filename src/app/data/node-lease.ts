import { hostname } from "node:os";
import { nodeLeaseName } from "../../calls/index.ts";
import type { Clock, MonotonicMs, Random } from "../../base/index.ts";
import { Fault, delay, elapsedMs, newId } from "../../base/index.ts";
import type { Lease, Store } from "../../store/index.ts";

/** How long a node that fell silent keeps its work: long enough for a stop-the-world pause, short for those who wait. */
export const nodeLeaseMs = 15_000;
const renewEveryMs = nodeLeaseMs / 3;
/** After an outage of the store, well before others look at who has not renewed. */
const renewAgainMs = 500;
/** Less than a lease, after which others take over; more than a failover, through which calls wait and are answered. */
const unrenewedMsMax = 2 * renewEveryMs;
/** A node that was killed leaves its name after one lease; a little more, and another one really lives. */
const waitForNameMs = nodeLeaseMs + 5_000;
const nameRetryMs = 500;
/** Nodes on one host. Hosts of more than a hundred cores would rather run fewer and larger ones. */
const nodesPerHostMax = 64;
const nameCharactersMax = 60; // and room for a number

export interface NodeLeaseOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** null = after the host, with a number where others have that name. */
  readonly name: string | null;
  /** Other processes may write to the same data. Otherwise its directory's lock has kept them away, and whoever held the lease is gone. */
  readonly isShared: boolean;
  /** The lease moved or could not be renewed in time: this node must not work any more. */
  readonly onLost: () => void;
}

/** A process among those on the same data, told from an earlier one of the same name by its fence. */
export interface NodeIdentity {
  readonly name: string;
  readonly fence: number;
  /**
   * What this process holds other leases under. On shared data no other process has it, not even an earlier one of this name; where
   * there is no other, it is that one's too, and what it left need not expire first.
   */
  readonly holder: string;
}

/** The node's one lease: taken at start, proved by every flush, renewed until stop. */
export class NodeLease {
  private readonly options: NodeLeaseOptions;
  private lease: Lease | null = null;
  /** When the store was asked for what it has confirmed last: the lease ends no earlier than its length after that. */
  private confirmedAt: MonotonicMs;
  private cancelTimer: (() => void) | null = null;
  private isStopped = false;

  constructor(options: NodeLeaseOptions) {
    this.options = options;
    this.confirmedAt = options.clock.monotonic();
  }

  /** Five seconds and a flush at most while the store takes what this node writes. */
  get ageMs(): number {
    return elapsedMs(this.options.clock.monotonic(), this.confirmedAt);
  }

  /**
   * The store has failed or said nothing for so long that no call gets through. Not at the first renewal that fails: a node that is
   * sent nothing any more cannot let calls wait, and that is how they outlive a failover.
   */
  get isUnrenewed(): boolean {
    return this.ageMs > unrenewedMsMax;
  }

  /** The fence is higher than that of any earlier process of this name. Rejects with `store-in-use` when the name is taken. */
  async start(): Promise<NodeIdentity> {
    const { store, name, isShared } = this.options;
    const taken = isShared
      ? await (name === null ? this.takeFree() : this.takeNamed(name))
      : await this.take(name ?? "local", "local");
    if (taken === null) throw new Fault("store-in-use", "another node holds this data directory's lease");
    store.bindToLease(taken.lease);
    this.lease = taken.lease;
    this.renewLater();
    const { fence } = taken.lease;
    return { name: taken.name, fence, holder: isShared ? `${taken.name}/${fence}` : taken.name };
  }

  /** Gives the lease back. Safe to call twice. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancelTimer?.();
    const { lease } = this;
    this.lease = null;
    if (lease !== null) await this.options.store.releaseLease(lease);
  }

  private async takeFree(): Promise<Taken> {
    const host = hostName();
    const holder = this.holder();
    for (let n = 1; n <= nodesPerHostMax; n++) {
      const taken = await this.take(n === 1 ? host : `${host}-${n}`, holder);
      if (taken !== null) return taken;
    }
    throw new Fault(
      "store-in-use",
      `${nodesPerHostMax} nodes named after the host "${host}" live already; name this one: node.name`,
    );
  }

  private async takeNamed(name: string): Promise<Taken> {
    const { clock } = this.options;
    const holder = this.holder();
    for (let waitedMs = 0; waitedMs <= waitForNameMs; waitedMs += nameRetryMs) {
      const taken = await this.take(name, holder);
      if (taken !== null) return taken;
      await delay(clock, nameRetryMs);
    }
    throw new Fault(
      "store-in-use",
      `another node named "${name}" lives; give each its own name (node.name), or leave the name out`,
    );
  }

  private async take(name: string, holder: string): Promise<Taken | null> {
    this.confirmedAt = this.options.clock.monotonic();
    const lease = await this.options.store.acquireLease(nodeLeaseName(name), holder, nodeLeaseMs);
    return lease === null ? null : { name, lease };
  }

  /** Of this process alone: whoever acquires under the same holder again would put it out. */
  private holder(): string {
    const { clock, random } = this.options;
    return newId("node", clock.wall(), random);
  }

  private renewLater(afterMs = renewEveryMs): void {
    this.cancelTimer = this.options.clock.after(afterMs, () => {
      void this.renew();
    });
  }

  private async renew(): Promise<void> {
    if (this.lease === null) return;
    const askedAt = this.options.clock.monotonic();
    let againMs = renewEveryMs;
    try {
      const renewed = await this.options.store.renewLease(this.lease, nodeLeaseMs);
      if (this.isStopped) return;
      if (renewed === null) {
        this.lease = null;
        this.options.onLost();
        return;
      }
      this.lease = renewed;
      this.confirmedAt = askedAt;
    } catch {
      // A store that cannot be written renews nothing: effects have stopped already, and the next try may find it well again.
      againMs = renewAgainMs;
    }
    if (!this.isStopped) this.renewLater(againMs);
  }
}

interface Taken {
  readonly name: string;
  readonly lease: Lease;
}

/** As far as it may be part of a node's name. */
function hostName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .slice(0, nameCharactersMax)
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
  return name === "" ? "node" : name;
}
