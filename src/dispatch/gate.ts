import type { Clock, Deadline, MonotonicMs, Result } from "../base/index.ts";
import { elapsedMs, ok, refuse, remainingMs } from "../base/index.ts";

import { FairQueue } from "./fair-queue.ts";

/** A bound on how many may be inside at once under one key: a server, a principal, the whole node. */
export interface Bound {
  readonly key: string;
  readonly max: number;
}

/** What holds for one caller now. Asked again whenever it may enter, since bounds change while it waits. */
export type Bounds = () => readonly Bound[];

export interface GateOptions {
  readonly clock: Clock;
  /** Callers waiting at once, over all keys. Beyond it: `queue-full`. */
  readonly waitingMax: number;
  /** Those of one owner, so that nobody takes all of them. Beyond it: `too-many-calls`. */
  readonly waitingOfOneMax: number;
}

/** Gives the place back; calling it twice does nothing. */
export type Leave = () => void;

interface Waiter {
  readonly owner: string;
  readonly bounds: Bounds;
  readonly since: MonotonicMs;
  /** Where it waits; null = it waits no more. */
  waitsAt: string | null;
  readonly enter: () => void;
}

/**
 * Counts who is inside under each key and lets the next one in. Whoever finds room under all of its keys enters at once, without a
 * promise; otherwise it waits under the first key without room, until its deadline. Owners take turns there, so that one with many
 * calls does not stand in front of all others; each owner's own are served as they came. Whoever gives up is forgotten at once.
 */
export class Gate {
  private readonly options: GateOptions;
  private readonly inside = new Map<string, number>();
  private readonly queues = new Map<string, FairQueue<Waiter>>();
  private readonly waitingOf = new Map<string, number>();
  private waitingNow = 0;

  constructor(options: GateOptions) {
    this.options = options;
  }

  get waiting(): number {
    return this.waitingNow;
  }

  /** How long the one that waits longest has waited; 0 = nobody waits. Looks at all of them: for a scrape, not for a call. */
  get oldestWaitMs(): number {
    const { clock } = this.options;
    let oldest = 0;
    for (const waiters of this.queues.values()) {
      for (const { since } of waiters) oldest = Math.max(oldest, elapsedMs(clock.monotonic(), since));
    }
    return oldest;
  }

  insideOf(key: string): number {
    return this.inside.get(key) ?? 0;
  }

  /** Enters now or not at all. null = there is no room under one of the keys. */
  tryEnter(bounds: readonly Bound[]): Leave | null {
    return this.firstFull(bounds) === null ? this.take(bounds) : null;
  }

  /** `owner`: on whose behalf. */
  enter(
    owner: string,
    bounds: Bounds,
    deadline: Deadline,
    signal: AbortSignal,
  ): Result<Leave> | Promise<Result<Leave>> {
    const now = bounds();
    const full = this.firstFull(now);
    if (full === null) return ok(this.take(now));
    if (this.waitingNow >= this.options.waitingMax) {
      return refuse({
        code: "queue-full",
        detail: `${this.waitingNow} calls are waiting already`,
        evidence: { waitingMax: this.options.waitingMax },
      });
    }
    const ofOwner = this.waitingOf.get(owner) ?? 0;
    if (ofOwner >= this.options.waitingOfOneMax) {
      return refuse({
        code: "too-many-calls",
        detail: `${ofOwner} calls of this caller are waiting already`,
        evidence: { waitingOfOneMax: this.options.waitingOfOneMax },
      });
    }
    return this.wait(owner, bounds, full, deadline, signal);
  }

  /** Bounds have changed: who waits enters where there is room now. Those inside stay, also where they are too many. */
  reconsider(): void {
    for (const key of this.queues.keys()) this.letIn(key);
  }

  private wait(
    owner: string,
    bounds: Bounds,
    full: Bound,
    deadline: Deadline,
    signal: AbortSignal,
  ): Promise<Result<Leave>> {
    return new Promise((resolve) => {
      const finish = (result: Result<Leave>) => {
        if (isOver) return;
        isOver = true;
        this.unqueue(waiter);
        this.count(owner, -1);
        cancelTimer();
        signal.removeEventListener("abort", onAbort);
        resolve(result);
      };
      let isOver = false;
      const waiter: Waiter = {
        owner,
        bounds,
        since: this.options.clock.monotonic(),
        waitsAt: null,
        enter: () => finish(ok(this.take(bounds()))),
      };
      const onAbort = () =>
        finish(refuse({ code: "cancelled", detail: "withdrawn while waiting for a free place" }));
      const cancelTimer = this.options.clock.after(remainingMs(this.options.clock, deadline), () => {
        // What holds it up may be another bound by now than the one it came to wait for.
        const { key, max } = this.firstFull(bounds()) ?? full;
        finish(
          refuse({
            code: "too-many-calls",
            detail: `no place became free before the deadline (${key} allows ${max} at once)`,
            evidence: { key, max },
          }),
        );
      });
      this.count(owner, 1);
      if (signal.aborted) onAbort();
      else {
        signal.addEventListener("abort", onAbort, { once: true });
        this.queue(full.key, waiter);
      }
    });
  }

  private firstFull(bounds: readonly Bound[]): Bound | null {
    for (const bound of bounds) {
      if ((this.inside.get(bound.key) ?? 0) >= bound.max) return bound;
    }
    return null;
  }

  private take(bounds: readonly Bound[]): Leave {
    for (const { key } of bounds) this.inside.set(key, (this.inside.get(key) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      for (const { key } of bounds) {
        const count = (this.inside.get(key) ?? 1) - 1;
        if (count === 0) this.inside.delete(key);
        else this.inside.set(key, count);
      }
      for (const { key } of bounds) this.letIn(key);
    };
  }

  /** Lets waiters in while there is room under this key; one that lacks room elsewhere goes to wait there. */
  private letIn(key: string): void {
    const waiters = this.queues.get(key);
    if (waiters === undefined) return;
    for (let waiter = waiters.first(); waiter !== null; waiter = waiters.first()) {
      const full = this.firstFull(waiter.bounds());
      if (full?.key === key) return;
      waiters.shift();
      waiter.waitsAt = null;
      if (full === null) waiter.enter();
      else this.queue(full.key, waiter);
    }
    if (waiters.isEmpty && this.queues.get(key) === waiters) this.queues.delete(key);
  }

  private queue(key: string, waiter: Waiter): void {
    let waiters = this.queues.get(key);
    if (waiters === undefined) this.queues.set(key, (waiters = new FairQueue()));
    waiters.add(waiter.owner, waiter);
    waiter.waitsAt = key;
  }

  private unqueue(waiter: Waiter): void {
    const { waitsAt: key, owner } = waiter;
    const waiters = key === null ? undefined : this.queues.get(key);
    if (key === null || waiters === undefined) return;
    waiters.delete(owner, waiter);
    waiter.waitsAt = null;
    if (waiters.isEmpty) this.queues.delete(key);
  }

  private count(owner: string, by: 1 | -1): void {
    this.waitingNow += by;
    const count = (this.waitingOf.get(owner) ?? 0) + by;
    if (count === 0) this.waitingOf.delete(owner);
    else this.waitingOf.set(owner, count);
  }
}
