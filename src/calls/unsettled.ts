import type { CallId, Ledger, OpenCallState, Outcome } from "../ledger/index.ts";
import { readOpenCall } from "../ledger/index.ts";
import type { Clock } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import { settleOpen } from "./recover.ts";

/** Calls whose end could not be written. Each held a place under way, so only a ledger that comes and goes makes more. */
const unsettledMax = 10_000;

interface End {
  readonly outcome: Outcome;
  /** In which state the call is when it is over. A `waiting` one is over only where nobody can come back for it. */
  readonly from: readonly OpenCallState[];
}

/**
 * Calls of this process that ended while the ledger could not be written: their intent stands and nobody drives them any more.
 * As soon as the ledger takes writes again, what is known of their end goes in, so that no call stays dispatched, its step
 * claimed and no person able to resolve it, until the next start.
 */
export class Unsettled {
  private readonly calls = new Map<CallId, End>();

  /** Beyond the bound the oldest is left for the next start to recover. */
  add(call: CallId, outcome: Outcome, from: readonly OpenCallState[] = ["dispatched"]): void {
    this.calls.set(call, { outcome, from });
    if (this.calls.size <= unsettledMax) return;
    for (const oldest of this.calls.keys()) {
      this.calls.delete(oldest);
      break;
    }
  }

  /**
   * Somebody is about to drive the call on: to be called before the write that makes it so, which `settle` could see too soon. When
   * nothing comes of it, what is handed back puts things right again.
   */
  forget(call: CallId): () => void {
    const end = this.calls.get(call);
    if (end === undefined) return nothing;
    this.calls.delete(call);
    return () => this.calls.set(call, end);
  }

  /** Settles what it can; rejects with the store's Fault, and then the rest waits for the next time. */
  async settle(options: {
    readonly clock: Clock;
    readonly store: Store;
    readonly ledger: Ledger;
    readonly node: { readonly name: string; readonly fence: number };
  }): Promise<void> {
    const { node } = options;
    for (const [call, end] of this.calls) {
      const open = await readOpenCall(options.store, call);
      if (this.calls.get(call) !== end) continue;
      // Gone, unknown or another node's: the write that seemed to fail had got through, or somebody else has the call now.
      const isOurs = open !== null && open.node === node.name && open.fence === node.fence;
      if (isOurs && end.from.includes(open.state)) await settleOpen(open, end.outcome, options);
      if (this.calls.get(call) === end) this.calls.delete(call);
    }
  }
}

const nothing = (): void => undefined;
