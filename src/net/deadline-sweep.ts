import type { Clock } from "../base/index.ts";

/**
 * One timer for many deadlines: what is under way is looked through every 20 ms while there is anything, instead of a timer per
 * request (1 to 2 µs each). A deadline is therefore acted on up to 20 ms late, never early.
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
