import type { Clock } from "../base/index.ts";
import type { RunId } from "../ledger/index.ts";

/** Who of this node waits for something to happen in a run. Only a hint: the store is the truth, and is looked at again anyway. */
export class Arrivals {
  private readonly clock: Clock;
  private readonly waiting = new Map<RunId, Set<() => void>>();
  private isClosed = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Everybody who waits goes on at once, now and later. */
  close(): void {
    this.isClosed = true;
    for (const run of this.waiting.keys()) this.tell(run);
  }

  get closed(): boolean {
    return this.isClosed;
  }

  tell(run: RunId): void {
    for (const go of this.waiting.get(run) ?? []) go();
  }

  /** Resolves when something happened, after `ms`, when the signal fires, or at our close. */
  next(run: RunId, ms: number, signal: AbortSignal): Promise<void> {
    if (this.isClosed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const here = this.waiting.get(run) ?? new Set();
      this.waiting.set(run, here);
      const go = () => {
        cancel();
        signal.removeEventListener("abort", go);
        here.delete(go);
        if (here.size === 0 && this.waiting.get(run) === here) this.waiting.delete(run);
        resolve();
      };
      const cancel = this.clock.after(ms, go);
      signal.addEventListener("abort", go, { once: true });
      here.add(go);
    });
  }
}
