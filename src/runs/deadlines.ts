import type { CancelTimer } from "../base/index.ts";
import type { Principal, TenantId } from "../identity/index.ts";
import { overdueRuns } from "../ledger/index.ts";
import { endingWrites } from "./end.ts";
import type { Records } from "./house.ts";

/** A deadline is for what has gone wrong, so a few seconds late is in time. */
const everyMs = 5_000;
/** What is left over is taken at the next look. */
const runsPerLook = 256;

export interface DeadlinesOptions extends Records {
  /** In whose name a tenant's runs are ended; null = the tenant is gone. */
  readonly nodeOf: (tenant: TenantId) => Principal | null;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** Fails runs that are still open at their deadline, so that every run ends, whatever became of its agent. */
export class Deadlines {
  private readonly options: DeadlinesOptions;
  private cancel: CancelTimer | null = null;
  private isStopped = false;

  constructor(options: DeadlinesOptions) {
    this.options = options;
  }

  start(): void {
    this.later();
  }

  /** Safe to call twice. */
  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  private later(): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(everyMs, () => {
      void this.look().finally(() => this.later());
    });
  }

  private async look(): Promise<void> {
    const { store, ledger, nodeOf, onTrouble } = this.options;
    try {
      for (const run of await overdueRuns(store, await store.now(), runsPerLook)) {
        const node = nodeOf(run.tenant);
        if (node === null) continue;
        const ending = { state: "failed", reason: "its deadline passed" } as const;
        const { writes } = await endingWrites(node, run, ending, this.options);
        // When its agent was faster to end it, or attached anew, this fails and the next look decides.
        if ((await store.commit(writes)).verdict === "done") ledger.noted(run.tenant);
      }
    } catch (thrown) {
      onTrouble("ending runs whose deadline has passed", thrown);
    }
  }
}
