import type { CancelTimer, Clock, Fault, MonotonicMs } from "../base/index.ts";
import { elapsedMs, faultFrom, plusMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Sequenced } from "./sequencer.ts";

/** Under load a checkpoint four times a second; a receipt is promised within one second. */
const sequenceEveryMs = 250;
/** For entries whose writer died before it told us: a few tenants are looked at each second, in turn. */
const sweepEveryMs = 1000;
const tenantsPerSweep = 16;
/** Tenants sequenced at once: their batches share a flush. */
const tenantsAtOnce = 16;
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
  readonly sequencerOf: (tenant: TenantId) => { sequence(): Promise<Sequenced> };
  readonly onAlert: (alert: LedgerAlert) => void;
}

/** Decides when which tenant is sequenced. Costs nothing while nothing is written, except the sweep. */
export class Sequencing {
  private readonly options: SequencingOptions;
  private readonly clock: Clock;
  private readonly waiting = new Map<TenantId, Waiting>();
  private readonly ready = new Map<TenantId, { sequence(): Promise<Sequenced> }>();
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
  }

  /** Entries of this tenant were committed. Called once or twice per call: a lookup and an addition. */
  noted(tenant: TenantId): void {
    const waiting = this.waiting.get(tenant);
    if (waiting !== undefined) {
      waiting.notes++;
      return;
    }
    const now = this.clock.monotonic();
    this.waiting.set(tenant, { since: now, notes: 1, failures: 0, notBefore: now, hasAlerted: false });
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
        if (this.waiting.size > 0) this.scheduleRound();
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
    this.alertOldTails();
  }

  private async runTenant(tenant: TenantId, waiting: Waiting): Promise<void> {
    try {
      const sequencer = this.readyFor(tenant);
      for (;;) {
        const notes = waiting.notes;
        const { count, isDone } = await sequencer.sequence();
        this.counts.entries += count;
        if (count > 0) this.counts.batches++;
        waiting.failures = 0;
        if (!isDone) continue;
        this.waiting.delete(tenant);
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

  private alertOldTails(): void {
    const now = this.clock.monotonic();
    for (const [tenant, waiting] of this.waiting) {
      const ageMs = elapsedMs(now, waiting.since);
      if (waiting.hasAlerted || ageMs <= tailAlertMs) continue;
      waiting.hasAlerted = true;
      this.options.onAlert({ kind: "tail", tenant, ageMs });
    }
  }

  private readyFor(tenant: TenantId): { sequence(): Promise<Sequenced> } {
    const ready = this.ready.get(tenant) ?? this.options.sequencerOf(tenant);
    this.ready.delete(tenant);
    this.ready.set(tenant, ready);
    if (this.ready.size > readyMax) {
      const oldest = this.ready.keys().next().value;
      if (oldest !== undefined) this.ready.delete(oldest);
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
