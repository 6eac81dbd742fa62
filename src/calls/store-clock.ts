import type { Clock, MonotonicMs, StoreMs, WallMs } from "../base/index.ts";
import { elapsedMs, invariant, plusMs } from "../base/index.ts";

/**
 * Relates store time to this process's clocks without asking the store again: after each flush we know a store instant and
 * readings taken *before* that flush, so estimates of store time made from them are never early.
 */
export class StoreClock {
  private readonly clock: Clock;
  private anchor: { readonly store: StoreMs; readonly monotonic: MonotonicMs; readonly wall: WallMs } | null =
    null;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Call before a flush; hand the result to `learn` with the store time the flush answered. */
  reading(): { readonly monotonic: MonotonicMs; readonly wall: WallMs } {
    return { monotonic: this.clock.monotonic(), wall: this.clock.wall() };
  }

  learn(before: { readonly monotonic: MonotonicMs; readonly wall: WallMs }, store: StoreMs): void {
    this.anchor = { store, ...before };
  }

  /** Never early, by less than a flush took. Known before the first call. */
  now(): StoreMs {
    const { anchor, clock } = this;
    invariant(anchor, "the store's time is known before the first call");
    return plusMs(anchor.store, Math.ceil(elapsedMs(clock.monotonic(), anchor.monotonic)));
  }

  /**
   * A bound on dispatch, `windowMs` from now: as store time for the record, and as a check on this process's own clocks.
   * The check looks at both the monotonic and the wall clock, because a monotonic clock stands still in suspend.
   */
  dispatchBy(windowMs: number): { readonly at: StoreMs; readonly holds: () => boolean } | null {
    const { anchor, clock } = this;
    if (anchor === null) return null;
    const sinceMs = elapsedMs(clock.monotonic(), anchor.monotonic);
    const untilMonotonic = plusMs(anchor.monotonic, sinceMs + windowMs);
    const untilWall = plusMs(anchor.wall, sinceMs + windowMs);
    return {
      // Store time is whole milliseconds; rounding up errs on the later side, which nothing relies on being early.
      at: plusMs(anchor.store, Math.ceil(sinceMs + windowMs)),
      holds: () => elapsedMs(untilMonotonic, clock.monotonic()) > 0 && elapsedMs(untilWall, clock.wall()) > 0,
    };
  }
}
