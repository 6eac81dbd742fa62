declare const monotonicBrand: unique symbol;
declare const storeBrand: unique symbol;
declare const wallBrand: unique symbol;

/**
 * Three clocks, three types, all milliseconds. They are numbers at run time, but opaque to the compiler: comparing or
 * subtracting across types does not compile.
 *  - MonotonicMs: deadlines and durations in this process. Stops in suspend, never goes back.
 *  - StoreMs: the store's own time; leases, expiries, wake-ups.
 *  - WallMs: Unix time for people and receipts; may jump.
 */
export interface MonotonicMs {
  readonly [monotonicBrand]: never;
}
export interface StoreMs {
  readonly [storeBrand]: never;
}
export interface WallMs {
  readonly [wallBrand]: never;
}
export type Instant = MonotonicMs | StoreMs | WallMs;

const asNumber = (instant: Instant): number => instant as unknown as number;

/** A number read from a rim (database, JSON) becomes an instant here and nowhere else. */
const monotonicMs = (ms: number): MonotonicMs => ms as unknown as MonotonicMs;
export const storeMs = (ms: number): StoreMs => ms as unknown as StoreMs;
export const wallMs = (ms: number): WallMs => ms as unknown as WallMs;

/** The bare milliseconds, for the rim (database, JSON, display). */
export const msOf = (instant: Instant): number => asNumber(instant);

export const plusMs = <T extends Instant>(instant: T, ms: number): T =>
  (asNumber(instant) + ms) as unknown as T;

/** later - earlier, in ms; both of one clock. */
export function elapsedMs(later: MonotonicMs, earlier: MonotonicMs): number;
export function elapsedMs(later: StoreMs, earlier: StoreMs): number;
export function elapsedMs(later: WallMs, earlier: WallMs): number;
export function elapsedMs(later: Instant, earlier: Instant): number {
  return asNumber(later) - asNumber(earlier);
}

/** Stops a timer; calling it again does nothing. */
export type CancelTimer = () => void;

/** The only source of time and timers. */
export interface Clock {
  monotonic(): MonotonicMs;
  wall(): WallMs;
  /** Runs `action` once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, action: () => void): CancelTimer;
}

export const systemClock: Clock = {
  monotonic: () => monotonicMs(performance.now()),
  wall: () => wallMs(Date.now()),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Keeps the process alive until what it answers is called: a command that only waits between two looks has nothing else that does. */
export function keepProcess(): CancelTimer {
  const timer = setInterval(() => undefined, 2 ** 30);
  return () => clearInterval(timer);
}

/** A clock that moves only when told: for tests and simulation. `advance` runs due timers in order of their time. */
export class ManualClock implements Clock {
  private nowMs = 0;
  private readonly startedAtWallMs: number;
  private timers: { atMs: number; order: number; action: () => void }[] = [];
  private order = 0;

  constructor(startedAtWallMs = 1_767_225_600_000) {
    this.startedAtWallMs = startedAtWallMs;
  }

  monotonic(): MonotonicMs {
    return monotonicMs(this.nowMs);
  }

  wall(): WallMs {
    return wallMs(this.startedAtWallMs + this.nowMs);
  }

  after(delayMs: number, action: () => void): CancelTimer {
    const timer = { atMs: this.nowMs + delayMs, order: this.order++, action };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.timers
        .filter((timer) => timer.atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.action();
    }
    this.nowMs = untilMs;
  }
}

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
