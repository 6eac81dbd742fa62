import type { Clock, MonotonicMs } from "./clock.ts";
import { elapsedMs, plusMs } from "./clock.ts";

/** When a piece of work must be over, on this process's monotonic clock. */
export interface Deadline {
  readonly at: MonotonicMs;
}

export const deadlineIn = (clock: Clock, ms: number): Deadline => ({ at: plusMs(clock.monotonic(), ms) });

/** Milliseconds left, never negative. */
export const remainingMs = (clock: Clock, deadline: Deadline): number =>
  Math.max(0, elapsedMs(deadline.at, clock.monotonic()));
