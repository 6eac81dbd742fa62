import type { CancelTimer, Clock } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";
import type { Session } from "./session-ids.ts";
import { SessionState } from "./session-state.ts";

export interface StateBounds {
  /** Sessions of which something is kept between requests, on this node and of one principal. */
  readonly sessionsMax: number;
  readonly sessionsPerPrincipalMax: number;
  readonly sessionIdleMs: number;
}

const sweepEveryMs = 60_000;

/**
 * The sessions of which this node keeps something, by their keys. Those with a call alone come and go with it; those with a
 * stream, a subscription or a log level are kept, and counted.
 */
export class SessionStates {
  private readonly clock: Clock;
  private readonly bounds: StateBounds;
  private readonly byKey = new Map<string, SessionState>();
  private readonly keptByOwner = new Map<string, Set<SessionState>>();
  private kept = 0;
  private cancelSweep: CancelTimer | null = null;

  constructor(options: { clock: Clock; bounds: StateBounds }) {
    this.clock = options.clock;
    this.bounds = options.bounds;
  }

  /** How many are kept between requests. */
  get size(): number {
    return this.kept;
  }

  start(): void {
    const everyMs = Math.min(sweepEveryMs, this.bounds.sessionIdleMs);
    this.cancelSweep = this.clock.after(everyMs, () => {
      this.sweep();
      if (this.cancelSweep !== null) this.start();
    });
  }

  stop(): void {
    this.cancelSweep?.();
    this.cancelSweep = null;
    for (const state of this.byKey.values()) state.end();
    this.byKey.clear();
    this.keptByOwner.clear();
    this.kept = 0;
  }

  /** null = nothing of it is kept here. */
  find(session: Session): SessionState | null {
    return this.findByKey(session.key);
  }

  findByKey(key: string): SessionState | null {
    return this.byKey.get(key) ?? null;
  }

  /** Whoever takes one and adds nothing to it gives it back with `settle`. */
  of(session: Session): SessionState {
    const now = this.clock.monotonic();
    const known = this.byKey.get(session.key);
    if (known !== undefined) {
      known.lastUsedAt = now;
      return known;
    }
    const fresh = new SessionState(session, now);
    this.byKey.set(session.key, fresh);
    return fresh;
  }

  /**
   * Whether something may be kept of this session. At its owner's bound the least recently used of that owner's sessions that
   * has no stream makes room; nobody makes room for another.
   */
  mayKeep(state: SessionState): boolean {
    const { owner } = state.session;
    const owned = this.keptByOwner.get(owner);
    if (owned?.has(state) === true) return true;
    if ((owned?.size ?? 0) >= this.bounds.sessionsPerPrincipalMax && !this.evict(owned)) return false;
    if (this.kept >= this.bounds.sessionsMax && !this.evict(this.keptByOwner.get(owner))) return false;
    const of = this.keptByOwner.get(owner) ?? new Set();
    of.add(state);
    this.keptByOwner.set(owner, of);
    this.kept++;
    return true;
  }

  /** After anything of a state was taken away. */
  settle(state: SessionState): void {
    state.lastUsedAt = this.clock.monotonic();
    if (!state.isKept) this.uncount(state);
    const isEmpty = !state.isKept && state.calls.size === 0;
    if (isEmpty && this.byKey.get(state.session.key) === state) this.byKey.delete(state.session.key);
  }

  end(state: SessionState): void {
    state.end();
    this.settle(state);
  }

  private evict(owned: Set<SessionState> | undefined): boolean {
    let oldest: SessionState | null = null;
    for (const state of owned ?? []) {
      if (state.isIdle && (oldest === null || elapsedMs(state.lastUsedAt, oldest.lastUsedAt) < 0))
        oldest = state;
    }
    if (oldest === null) return false;
    this.end(oldest);
    return true;
  }

  private uncount(state: SessionState): void {
    const owned = this.keptByOwner.get(state.session.owner);
    if (owned?.delete(state) !== true) return;
    if (owned.size === 0) this.keptByOwner.delete(state.session.owner);
    this.kept--;
  }

  private sweep(): void {
    const now = this.clock.monotonic();
    for (const state of this.byKey.values()) {
      if (state.isIdle && elapsedMs(now, state.lastUsedAt) >= this.bounds.sessionIdleMs) this.end(state);
    }
  }
}
