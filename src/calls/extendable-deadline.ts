import type { Clock, Deadline, MonotonicMs } from "../base/index.ts";
import { elapsedMs, plusMs } from "../base/index.ts";

/** How long one question may wait for its answer. A person reads and thinks; after that a server is told that nobody answered. */
export const answerWaitMs = 10 * 60_000;

/**
 * A deadline that stands still while a person is being asked, because a person's time is not the server's: after the last answer
 * the server has its whole time again, and no more. Whoever waits for it reads `at` anew each time.
 */
export class ExtendableDeadline implements Deadline {
  private readonly clock: Clock;
  private readonly ms: number;
  private end: MonotonicMs;
  private questions = 0;

  constructor(clock: Clock, ms: number) {
    this.clock = clock;
    this.ms = ms;
    this.end = plusMs(clock.monotonic(), ms);
  }

  get at(): MonotonicMs {
    return this.end;
  }

  /** A question is open from here until the work is done, which takes no longer than `answerWaitMs`. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.questions++;
    this.extend(answerWaitMs + this.ms);
    try {
      return await work;
    } finally {
      if (--this.questions === 0) this.end = plusMs(this.clock.monotonic(), this.ms);
    }
  }

  private extend(ms: number): void {
    const later = plusMs(this.clock.monotonic(), ms);
    if (elapsedMs(later, this.end) > 0) this.end = later;
  }
}
