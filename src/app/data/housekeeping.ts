import type { Clock } from "../../base/index.ts";
import { Rounds } from "../../base/index.ts";
import { expiredClaims } from "../../ledger/index.ts";
import type { Store } from "../../store/index.ts";
import { Duty } from "../../store/index.ts";
import type { NodeIdentity } from "./node-lease.ts";

/** Keys are kept for a day; a minute more or less costs nothing. */
const everyMs = 60_000;
/** One transaction's worth; what is left over is taken a minute later, or at once while pages are full. */
const claimsPerTransactionMax = 256;

export interface HousekeepingOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly node: NodeIdentity;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** Removes what is past its time, for all nodes: repeat keys a day after their use. */
export class Housekeeping {
  private readonly options: HousekeepingOptions;
  private readonly rounds: Rounds;
  private readonly duty: Duty;

  constructor(options: HousekeepingOptions) {
    this.options = options;
    const { store, clock, node } = options;
    this.duty = new Duty({ store, clock, name: "house", holder: node.holder, ttlMs: 2 * everyMs });
    this.rounds = new Rounds({ clock, everyMs, round: () => this.forgetClaims() });
  }

  start(): void {
    this.rounds.start();
  }

  async stop(): Promise<void> {
    await this.rounds.stop();
    await this.duty.giveUp();
  }

  private async forgetClaims(): Promise<void> {
    const { store, onTrouble } = this.options;
    try {
      if (!(await this.duty.isOurs())) return;
      for (let isFull = true; isFull && !this.rounds.isStopped;) {
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
