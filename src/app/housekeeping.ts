import type { Clock } from "../base/index.ts";
import { expiredClaims } from "../ledger/index.ts";
import type { Store } from "../store/index.ts";

/** Keys are kept for a day; a minute more or less costs nothing. */
const everyMs = 60_000;
/** One transaction's worth; what is left over is taken a minute later, or at once while pages are full. */
const claimsPerTransactionMax = 256;

export interface HousekeepingOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** Removes what is past its time: repeat keys a day after their use. */
export class Housekeeping {
  private readonly options: HousekeepingOptions;
  private cancel: (() => void) | null = null;
  private isStopped = false;

  constructor(options: HousekeepingOptions) {
    this.options = options;
  }

  start(): void {
    this.later();
  }

  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  private later(): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(everyMs, () => {
      void this.forgetClaims().finally(() => this.later());
    });
  }

  private async forgetClaims(): Promise<void> {
    const { store, onTrouble } = this.options;
    try {
      for (let isFull = true; isFull && !this.isStopped;) {
        const writes = await expiredClaims(store, await store.now(), claimsPerTransactionMax);
        isFull = writes.length === claimsPerTransactionMax;
        // A claim that was used again meanwhile fails its guard and stays; the next round looks anew.
        if (writes.length > 0) isFull = (await store.commit(writes)).verdict === "done" && isFull;
      }
    } catch (thrown) {
      onTrouble("forgetting repeat keys past their time", thrown);
    }
  }
}
