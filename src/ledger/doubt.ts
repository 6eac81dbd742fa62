import type { Clock } from "../base/index.ts";

/**
 * Whether what is on record may not be all that was done: the database has become another, and not everybody has looked yet whether
 * theirs is there. In doubt no effect is sent, and nothing is begun under a name that is not on record. A doubt may begin again before it
 * has ended; then only its newest end counts.
 */
export class Doubt {
  private readonly clock: Clock;
  private beginnings = 0;
  private isIn = false;
  private readonly waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get isOn(): boolean {
    return this.isIn;
  }

  /** Which doubt this is, or was: for `end`. */
  get newest(): number {
    return this.beginnings;
  }

  begin(): void {
    this.beginnings++;
    this.isIn = true;
  }

  /** Does nothing where another has begun since. */
  end(which: number): void {
    if (which !== this.beginnings) return;
    this.isIn = false;
    for (const wake of this.waiting) wake();
  }

  /** Resolves when it is over, at the latest after so long, or with the signal: `isOn` says which. */
  over(withinMs: number, signal: AbortSignal | null): Promise<void> {
    if (!this.isIn || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.clock.after(withinMs, done);
      this.waiting.add(done);
      signal?.addEventListener("abort", done);
    });
  }
}
