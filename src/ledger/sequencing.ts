import type { CancelTimer, Clock, Fault, MonotonicMs } from "../base/index.ts";
import { elapsedMs, faultFrom, plusMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Duty } from "../store/index.ts";
import type { Sequencer } from "./sequencer.ts";

/** Under load a checkpoint four times a second; a receipt is promised within one second. */
const sequenceEveryMs = 250;
/** For entries whose writer died before it told us: a few tenants are looked at each second, in turn. */
const sweepEveryMs = 1000;
const tenantsPerSweep = 16;
/** Tenants sequenced at once: their batches share a flush. */
const tenantsAtOnce = 16;
/** Whoever sequences a tenant looks for so long after its last entry for those that other nodes write, then leaves it to others. */
const watchMs = 5_000;
/** Left to another node, we look again whether it was done: it may have died. */
const othersMs = 500;
/** A node that dies while it sequences is replaced before its tenants' tails are old. */
export const sequencerLeaseMs = 5_000;
/** Sequencers kept ready, about 20 KB each; the others read their right edge again. */
const readyMax = 256;
/** A batch that fails is tried again after this, doubled up to the second number. */
const retryMs = 500;
const retryMsMax = 10_000;
/** A tail older than this is an alert. */
const tailAlertMs = 10_000;

/** Something an operator has to look at. `tail` comes once per tenant until it is sequenced again. */
export type LedgerAlert =
  | { readonly kind: "tail"; readonly tenant: TenantId; readonly ageMs: number }
  | { readonly kind: "failed"; readonly tenant: TenantId; readonly fault: Fault };

export interface SequencingStats {
  /** Tenants with entries that have no position yet. */
  readonly waitingTenants: number;
  /** Age of the oldest such entry as far as this node knows; 0 = none. */
  readonly tailAgeMs: number;
  readonly entries: number;
  readonly batches: number;
  readonly failures: number;
}

interface Waiting {
  readonly since: MonotonicMs;
  /** Raised by `noted`, so that an entry noted during a batch is not forgotten after it. */
  notes: number;
  failures: number;
  notBefore: MonotonicMs;
  hasAlerted: boolean;
}

export interface SequencingOptions {
  readonly clock: Clock;
  readonly sequencerOf: (tenant: TenantId) => TenantSequencer;
  readonly dutyOf: (tenant: TenantId) => Pick<Duty, "isOurs" | "giveUp">;
  readonly onAlert: (alert: LedgerAlert) => void;
}

export type TenantSequencer = Pick<Sequencer, "sequence" | "isBehind">;

/** What is kept ready for a tenant. */
interface Ready {
  readonly sequencer: TenantSequencer;
  readonly duty: Pick<Duty, "isOurs" | "giveUp">;
  /** While its log is ours to extend: when this node last found an entry. null = it is not ours. */
  foundAt: MonotonicMs | null;
}

/**
 * Decides when which tenant is sequenced: by one node at a time, under a lease, which looks for the entries of all. Costs nothing while
 * nothing is written, except the sweep.
 */
export class Sequencing {
  private readonly options: SequencingOptions;
  private readonly clock: Clock;
  private readonly waiting = new Map<TenantId, Waiting>();
  private readonly ready = new Map<TenantId, Ready>();
  private readonly known = new Set<TenantId>();
  private sweepQueue: TenantId[] = [];
  private round: CancelTimer | null = null;
  private sweep: CancelTimer | null = null;
  private running: Promise<void> | null = null;
  private isStopped = true;
  private counts = { entries: 0, batches: 0, failures: 0 };

  constructor(options: SequencingOptions) {
    this.options = options;
    this.clock = options.clock;
  }

  start(tenants: Iterable<TenantId>): void {
    this.isStopped = false;
    for (const tenant of tenants) this.noted(tenant);
    this.scheduleRound(); // also for what was noted before
    this.scheduleSweep();
  }

  /** Sequences what this node knows of, then stops. Never rejects. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    this.round?.();
    this.sweep?.();
    await this.running;
    // Whoever pauses after a failed batch is tried once more: after this nobody will, until the next start.
    const now = this.clock.monotonic();
    for (const waiting of this.waiting.values()) waiting.notBefore = now;
    await this.runRound();
    await Promise.allSettled([...this.ready.values()].map(({ duty }) => duty.giveUp()));
  }

  /** Entries of this tenant were committed. Called once or twice per call: a lookup and an addition. */
  noted(tenant: TenantId): void {
    const waiting = this.waiting.get(tenant);
    if (waiting !== undefined) {
      waiting.notes++;
      return;
    }
    const now = this.clock.monotonic();
    this.waiting.set(tenant, newlyWaiting(now));
    this.known.add(tenant);
    this.scheduleRound();
  }

  stats(): SequencingStats {
    let tailAgeMs = 0;
    const now = this.clock.monotonic();
    for (const { since } of this.waiting.values()) tailAgeMs = Math.max(tailAgeMs, elapsedMs(now, since));
    return { waitingTenants: this.waiting.size, tailAgeMs, ...this.counts };
  }

  private scheduleRound(): void {
    if (this.round !== null || this.running !== null || this.isStopped) return;
    this.round = this.clock.after(sequenceEveryMs, () => {
      this.round = null;
      this.running = this.runRound().finally(() => {
        this.running = null;
        if (this.waiting.size > 0 || this.held().length > 0) this.scheduleRound();
      });
    });
  }

  /** Never rejects: what fails is counted, told, and tried again. */
  private async runRound(): Promise<void> {
    const now = this.clock.monotonic();
    const due = [...this.waiting.entries()].filter(([, waiting]) => elapsedMs(now, waiting.notBefore) >= 0);
    for (let at = 0; at < due.length; at += tenantsAtOnce) {
      await Promise.all(
        due.slice(at, at + tenantsAtOnce).map(([tenant, waiting]) => this.runTenant(tenant, waiting)),
      );
    }
    await this.watchOthers(now);
    this.alertOldTails();
  }

  /** Entries of other nodes come without a word: who has a tenant's log looks for them. */
  private async watchOthers(now: MonotonicMs): Promise<void> {
    const watched = this.held().filter(([tenant]) => !this.waiting.has(tenant));
    for (let at = 0; at < watched.length; at += tenantsAtOnce) {
      await Promise.all(
        watched.slice(at, at + tenantsAtOnce).map(async ([tenant, ready]) => {
          if (ready.foundAt !== null && elapsedMs(now, ready.foundAt) < watchMs)
            return this.runTenant(tenant, newlyWaiting(now));
          ready.foundAt = null;
          await ready.duty.giveUp().catch(() => undefined); // its lease runs out by itself
        }),
      );
    }
  }

  private held(): [TenantId, Ready][] {
    return [...this.ready].filter(([, { foundAt }]) => foundAt !== null);
  }

  private async runTenant(tenant: TenantId, waiting: Waiting): Promise<void> {
    try {
      const ready = this.readyFor(tenant);
      if (ready.foundAt === null && !(await this.isBehind(tenant, waiting, ready))) return;
      if (!(await this.isOurs(ready))) {
        waiting.notBefore = plusMs(this.clock.monotonic(), othersMs);
        return;
      }
      for (;;) {
        const notes = waiting.notes;
        const { count, isDone } = await ready.sequencer.sequence();
        this.counts.entries += count;
        if (count > 0) this.counts.batches++;
        if (count > 0) ready.foundAt = this.clock.monotonic();
        waiting.failures = 0;
        if (!isDone) continue;
        this.isOver(tenant, waiting);
        // Noted while the batch was read: it may have missed it, so this tenant waits anew, from now.
        if (notes !== waiting.notes) this.noted(tenant);
        return;
      }
    } catch (thrown) {
      this.counts.failures++;
      waiting.failures++;
      const pauseMs = Math.min(retryMsMax, retryMs * 2 ** Math.min(10, waiting.failures - 1));
      waiting.notBefore = plusMs(this.clock.monotonic(), pauseMs);
      const fault = faultFrom(thrown, `sequencing the ledger of tenant ${tenant}`);
      this.options.onAlert({ kind: "failed", tenant, fault });
    }
  }

  private async isOurs(ready: Ready): Promise<boolean> {
    const isOurs = await ready.duty.isOurs();
    if (!isOurs) ready.foundAt = null;
    else ready.foundAt ??= this.clock.monotonic();
    return isOurs;
  }

  /** Not ours, it is asked for only when there is something to do: most who are looked at have nothing. */
  private async isBehind(tenant: TenantId, waiting: Waiting, { sequencer }: Ready): Promise<boolean> {
    const { notes } = waiting;
    const isBehind = (await sequencer.isBehind()) || notes !== waiting.notes;
    if (!isBehind) this.isOver(tenant, waiting);
    return isBehind;
  }

  /** Who was only looked at for other nodes' entries may have been noted meanwhile, and then waits on. */
  private isOver(tenant: TenantId, waiting: Waiting): void {
    if (this.waiting.get(tenant) === waiting) this.waiting.delete(tenant);
  }

  private alertOldTails(): void {
    const now = this.clock.monotonic();
    for (const [tenant, waiting] of this.waiting) {
      const ageMs = elapsedMs(now, waiting.since);
      if (waiting.hasAlerted || ageMs <= tailAlertMs) continue;
      waiting.hasAlerted = true;
      this.options.onAlert({ kind: "tail", tenant, ageMs });
    }
  }

  private readyFor(tenant: TenantId): Ready {
    const { sequencerOf, dutyOf } = this.options;
    const ready = this.ready.get(tenant) ?? {
      sequencer: sequencerOf(tenant),
      duty: dutyOf(tenant),
      foundAt: null,
    };
    this.ready.delete(tenant);
    this.ready.set(tenant, ready);
    if (this.ready.size > readyMax) {
      const oldest = this.ready.entries().next().value;
      if (oldest !== undefined) {
        this.ready.delete(oldest[0]);
        void oldest[1].duty.giveUp().catch(() => undefined); // its lease runs out by itself
      }
    }
    return ready;
  }

  private scheduleSweep(): void {
    this.sweep = this.clock.after(sweepEveryMs, () => {
      if (this.isStopped) return;
      if (this.sweepQueue.length === 0) this.sweepQueue = [...this.known];
      // Noting is enough: the next round finds out with one read whether there is anything.
      for (const tenant of this.sweepQueue.splice(0, tenantsPerSweep)) this.noted(tenant);
      this.alertOldTails();
      this.scheduleSweep();
    });
  }
}

const newlyWaiting = (now: MonotonicMs): Waiting => ({
  since: now,
  notes: 1,
  failures: 0,
  notBefore: now,
  hasAlerted: false,
});
