import type { Clock } from "../base/index.ts";

/**
 * One timer for many deadlines and signals: what is under way is looked through every 20 ms while there is anything, instead of a
 * timer (1 to 2 µs) and a listener per request. Both are therefore acted on up to 20 ms late, never early. A map from signals to
 * listeners was worse than its time: the young collector treats such a map's entries as alive, and kept whole calls.
 */
export class DeadlineSweep {
  private readonly clock: Clock;
  private readonly sweep: () => boolean;
  private isArmed = false;

  /** `sweep` ends what is due and says whether anything is left. */
  constructor(clock: Clock, sweep: () => boolean) {
    this.clock = clock;
    this.sweep = sweep;
  }

  /** Call whenever something was added. */
  arm(): void {
    if (this.isArmed) return;
    this.isArmed = true;
    this.clock.after(sweepMs, () => {
      this.isArmed = false;
      if (this.sweep()) this.arm();
    });
  }
}

const sweepMs = 20;
