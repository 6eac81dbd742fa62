import type { CancelTimer, Clock } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import { listOpenCalls } from "../ledger/index.ts";
import type { Store } from "../store/index.ts";

/** Often enough for an alarm, rare enough to cost nothing. */
const countEveryMs = 15_000;
/** More than this many is all an operator needs to know. */
const countMax = 1_000;

export interface UnknownCallsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly tenants: () => readonly TenantId[];
}

/** Counts the calls whose outcome is unknown and waits for a person, for the gauge that wakes one. */
export class UnknownCalls {
  private readonly options: UnknownCallsOptions;
  private counts: ReadonlyMap<TenantId, number> = new Map();
  private cancel: CancelTimer | null = null;
  private isStopped = false;

  constructor(options: UnknownCallsOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    await this.count();
    this.later();
  }

  stop(): void {
    this.isStopped = true;
    this.cancel?.();
  }

  /** At most `countMax` per tenant. */
  current(): ReadonlyMap<TenantId, number> {
    return this.counts;
  }

  private later(): void {
    if (this.isStopped) return;
    this.cancel = this.options.clock.after(countEveryMs, () => {
      void this.count().finally(() => this.later());
    });
  }

  private async count(): Promise<void> {
    const { store, tenants } = this.options;
    try {
      const counted = await Promise.all(
        tenants().map(async (tenant) => {
          const unknown = await listOpenCalls(store, tenant, "unknown", { limit: countMax });
          return [tenant, unknown.length] as const;
        }),
      );
      this.counts = new Map(counted);
    } catch {
      // A store that cannot be read is told by others; the last count stands.
    }
  }
}
