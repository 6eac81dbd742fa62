import type { Clock, Deadline, MonotonicMs, Result } from "../base/index.ts";
import { elapsedMs, ok, refuse, remainingMs } from "../base/index.ts";

/** A bound on how many may be inside at once under one key: a server, a principal, the whole node. */
export interface Bound {
  readonly key: string;
  readonly max: number;
}

export interface GateOptions {
  readonly clock: Clock;
  /** Callers waiting at once, over all keys. Beyond it: `queue-full`. */
  readonly waitingMax: number;
}

/** Gives the place back; calling it twice does nothing. */
export type Leave = () => void;

interface Waiter {
  readonly bounds: readonly Bound[];
  readonly since: MonotonicMs;
  settled: boolean;
  readonly enter: () => void;
}

/**
 * Counts who is inside under each key and lets the next one in, first come first served per key. Whoever finds room under all
 * of its keys enters at once, without a promise; otherwise it waits under the first key without room, until its deadline.
 */
export class Gate {
  private readonly options: GateOptions;
  private readonly inside = new Map<string, number>();
  private readonly queues = new Map<string, Waiter[]>();
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
      for (const { settled, since } of waiters)
        if (!settled) oldest = Math.max(oldest, elapsedMs(clock.monotonic(), since));
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

  enter(
    bounds: readonly Bound[],
    deadline: Deadline,
    signal: AbortSignal,
  ): Result<Leave> | Promise<Result<Leave>> {
    const full = this.firstFull(bounds);
    if (full === null) return ok(this.take(bounds));
    if (this.waitingNow >= this.options.waitingMax) {
      return refuse({
        code: "queue-full",
        detail: `${this.waitingNow} calls are waiting already`,
        evidence: { waitingMax: this.options.waitingMax },
      });
    }
    return this.wait(bounds, full, deadline, signal);
  }

  private wait(
    bounds: readonly Bound[],
    full: Bound,
    deadline: Deadline,
    signal: AbortSignal,
  ): Promise<Result<Leave>> {
    return new Promise((resolve) => {
      const finish = (result: Result<Leave>) => {
        if (waiter.settled) return;
        waiter.settled = true;
        this.waitingNow--;
        cancelTimer();
        signal.removeEventListener("abort", onAbort);
        resolve(result);
      };
      const waiter: Waiter = {
        bounds,
        since: this.options.clock.monotonic(),
        settled: false,
        enter: () => finish(ok(this.take(bounds))),
      };
      const onAbort = () =>
        finish(refuse({ code: "cancelled", detail: "withdrawn while waiting for a free place" }));
      const cancelTimer = this.options.clock.after(remainingMs(this.options.clock, deadline), () =>
        finish(
          refuse({
            code: "too-many-calls",
            detail: `no place became free before the deadline (${full.key} allows ${full.max} at once)`,
            evidence: { key: full.key, max: full.max },
          }),
        ),
      );
      this.waitingNow++;
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
    while (waiters.length > 0) {
      const waiter = waiters[0] as Waiter;
      if (waiter.settled) {
        waiters.shift();
        continue;
      }
      const full = this.firstFull(waiter.bounds);
      if (full?.key === key) return;
      waiters.shift();
      if (full === null) waiter.enter();
      else this.queue(full.key, waiter);
    }
    this.queues.delete(key);
  }

  private queue(key: string, waiter: Waiter): void {
    const waiters = this.queues.get(key);
    if (waiters === undefined) this.queues.set(key, [waiter]);
    else waiters.push(waiter);
  }
}
