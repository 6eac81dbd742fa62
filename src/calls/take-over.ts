import type { Clock, MonotonicMs } from "../base/index.ts";
import { elapsedMs, Rounds } from "../base/index.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Store } from "../store/index.ts";
import { expiredLeases } from "../store/index.ts";
import { isNodeLease, nodeOfLease } from "./node-lease-name.ts";
import { recoverCalls } from "./recover.ts";

/** A dead node's callers wait for one lease anyway; this much more is not felt. */
const lookEveryMs = 2_000;
/** A look that comes later than this, or takes longer, says that the store, or this node itself, was away. */
const lookLateMs = 3 * lookEveryMs;
/**
 * So long the store must have been well before a lease that ran out says something about its holder: while nobody could write, nobody
 * could renew. Half a lease: whoever lives tries again twice a second.
 */
const settlingMs = 7_500;
/** Looked at in one look. Leases of other kinds that nobody wants any more stand among them. */
const leasesPerLook = 1_000;

export interface TakeOverOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly node: { readonly name: string; readonly fence: number };
  /** A node's lease is renewed three times in this time; whoever takes over has it to finish. */
  readonly leaseMs: number;
  /** What else a dead node has left, that has a life beyond its calls. Its fence was raised; answers with how many runs it gave up. */
  readonly giveUpRuns: (dead: { readonly name: string; readonly fence: number }) => Promise<number>;
  /** `calls` = how many of its calls have an unknown outcome now. */
  readonly onTakenOver: (node: string, calls: number, runs: number) => void;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/**
 * Looks after what nodes that fell silent have left. Taking a dead node's lease raises its fence, so that it can write nothing more
 * should it only have been asleep; then what it had dispatched is put on record as unknown, and after that the runs are given up whose agents
 * it drove, so that one that is started again finds what has become of its calls. A node that gave its lease back has left
 * nothing. What only waits, for people, input or a task, belongs to no node and is not touched. After an outage of the store everybody's lease
 * has run out: those who live are given time to renew theirs first.
 */
export class TakeOver {
  private readonly options: TakeOverOptions;
  private readonly rounds: Rounds;
  private lookedAt: MonotonicMs;
  /** Since then every look has worked, in time. */
  private wellSince: MonotonicMs;

  constructor(options: TakeOverOptions) {
    this.options = options;
    this.rounds = new Rounds({ clock: options.clock, everyMs: lookEveryMs, round: () => this.look() });
    this.lookedAt = this.wellSince = options.clock.monotonic();
  }

  start(): void {
    this.lookedAt = this.wellSince = this.options.clock.monotonic();
    this.rounds.start();
  }

  /** Finishes what it has begun. Safe to call twice. */
  stop(): Promise<void> {
    return this.rounds.stop();
  }

  private async look(): Promise<void> {
    const { store, onTrouble } = this.options;
    try {
      const expired = await expiredLeases(store, leasesPerLook);
      if (!this.isSettled()) return;
      for (const { name } of expired) if (isNodeLease(name) && !this.rounds.isStopped) await this.take(name);
    } catch (thrown) {
      this.wellSince = this.options.clock.monotonic();
      onTrouble("looking for nodes that fell silent", thrown);
    }
  }

  private isSettled(): boolean {
    const now = this.options.clock.monotonic();
    if (elapsedMs(now, this.lookedAt) > lookLateMs) this.wellSince = now;
    this.lookedAt = now;
    return elapsedMs(now, this.wellSince) >= settlingMs;
  }

  private async take(leaseName: string): Promise<void> {
    const { store, node, leaseMs, giveUpRuns, onTakenOver } = this.options;
    const name = nodeOfLease(leaseName);
    if (name === node.name) return; // late with our own renewal: that one decides
    const lease = await store.acquireLease(leaseName, `${node.name}/${node.fence}`, leaseMs);
    if (lease === null) return; // it is back, or somebody else was faster
    // Not given back when this fails: it expires, and is taken over again.
    const dead = { name, fence: lease.fence };
    const calls = await recoverCalls({ ...this.options, node: dead });
    const runs = await giveUpRuns(dead);
    await store.releaseLease(lease);
    onTakenOver(name, calls, runs);
  }
}
