import type { CallId, Ledger, Outcome } from "../ledger/index.ts";
import { readOpenCall } from "../ledger/index.ts";
import type { Clock } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import { settleOpen } from "./recover.ts";

/** Calls whose end could not be written. Each held a place under way, so only a ledger that comes and goes makes more. */
const unsettledMax = 10_000;

/**
 * Calls of this process that ended while the ledger could not be written: their intent stands and nobody drives them any more.
 * As soon as the ledger takes writes again, what is known of their end goes in, so that no call stays dispatched, its step
 * claimed and no person able to resolve it, until the next start.
 */
export class Unsettled {
  private readonly calls = new Map<CallId, Outcome>();

  /** Beyond the bound the oldest is left for the next start to recover. */
  add(call: CallId, outcome: Outcome): void {
    this.calls.set(call, outcome);
    if (this.calls.size <= unsettledMax) return;
    for (const oldest of this.calls.keys()) {
      this.calls.delete(oldest);
      break;
    }
  }

  /** Settles what it can; rejects with the store's Fault, and then the rest waits for the next time. */
  async settle(options: {
    readonly clock: Clock;
    readonly store: Store;
    readonly ledger: Ledger;
  }): Promise<void> {
    for (const [call, outcome] of this.calls) {
      const open = await readOpenCall(options.store, call);
      // Gone or unknown: the write that seemed to fail had got through, or another node has settled it.
      if (open?.state === "dispatched") await settleOpen(open, outcome, options);
      this.calls.delete(call);
    }
  }
}
