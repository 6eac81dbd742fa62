import type { Clock, MonotonicMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";

/** Refusals of one principal that get an entry each; more within the window are counted in one summary entry. */
const entriesPerWindowMax = 60;
const windowMs = 60_000;
/** Principals watched at once. Beyond it the oldest window is closed early, and its summary written. */
const principalsMax = 10_000;

interface Window {
  readonly principal: Principal;
  readonly openedAt: MonotonicMs;
  written: number;
  counted: number;
}

/** What a summary entry says. */
export interface RefusalSummary {
  readonly principal: Principal;
  readonly refusals: number;
}

/**
 * Keeps a principal who is refused again and again from filling the ledger: its first refusals in a minute get entries, the
 * rest are counted. No refusal goes unrecorded: what was counted becomes one summary entry when the window closes.
 */
export class RefusalBound {
  private readonly clock: Clock;
  private readonly windows = new Map<string, Window>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** True = write an entry for this refusal; false = it has been counted. */
  admits(principal: Principal): boolean {
    const window = this.windows.get(principal.id) ?? this.open(principal);
    if (window.written < entriesPerWindowMax) {
      window.written++;
      return true;
    }
    window.counted++;
    return false;
  }

  /** Closes windows that are over (all of them when stopping) and hands out what they counted. */
  close(all: boolean): RefusalSummary[] {
    const now = this.clock.monotonic();
    const summaries: RefusalSummary[] = [];
    for (const [key, window] of this.windows) {
      const isOver = elapsedMs(now, window.openedAt) >= windowMs;
      if (!all && !isOver && this.windows.size <= principalsMax) break; // windows stand in the order of their opening
      this.windows.delete(key);
      if (window.counted > 0) summaries.push({ principal: window.principal, refusals: window.counted });
    }
    return summaries;
  }

  /** A summary that could not be written is counted again, in the window that is open now. */
  giveBack({ principal, refusals }: RefusalSummary): void {
    (this.windows.get(principal.id) ?? this.open(principal)).counted += refusals;
  }

  private open(principal: Principal): Window {
    const window: Window = { principal, openedAt: this.clock.monotonic(), written: 0, counted: 0 };
    this.windows.set(principal.id, window);
    return window;
  }
}
