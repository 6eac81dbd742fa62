import type { Clock } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import { listOpenCalls, listRuns } from "../../ledger/index.ts";
import type { Store } from "../../store/index.ts";
import { TenantCount } from "./tenant-count.ts";

/** All that waits for a person, by tenant, for the gauges. */
export class WaitingCounts {
  readonly unknownCalls: TenantCount;
  readonly deadRuns: TenantCount;
  readonly runsInReview: TenantCount;

  constructor(parts: {
    readonly clock: Clock;
    readonly store: Store;
    readonly tenants: () => readonly TenantId[];
  }) {
    const { store } = parts;
    const runs = (state: "dead" | "review") =>
      new TenantCount({ ...parts, list: (tenant, limit) => listRuns(store, tenant, { state, limit }) });
    this.unknownCalls = new TenantCount({
      ...parts,
      list: (tenant, limit) => listOpenCalls(store, tenant, "unknown", { limit }),
    });
    this.deadRuns = runs("dead");
    this.runsInReview = runs("review");
  }

  async start(): Promise<void> {
    await Promise.all(this.all.map((count) => count.start()));
  }

  stop(): void {
    for (const count of this.all) count.stop();
  }

  private get all(): readonly TenantCount[] {
    return [this.unknownCalls, this.deadRuns, this.runsInReview];
  }
}
