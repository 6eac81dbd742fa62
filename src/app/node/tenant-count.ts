import type { CancelTimer, Clock } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";

/** Often enough for an alarm, rare enough to cost nothing. */
const countEveryMs = 15_000;
/** More than this many is all an operator needs to know. */
const countMax = 1_000;

export interface TenantCountOptions {
  readonly clock: Clock;
  readonly tenants: () => readonly TenantId[];
  /** At most `limit` of what is counted. */
  readonly list: (tenant: TenantId, limit: number) => Promise<readonly unknown[]>;
}

/** Counts what waits for a person in each tenant, for the gauge that wakes one. */
export class TenantCount {
  private readonly options: TenantCountOptions;
  private counts: ReadonlyMap<TenantId, number> = new Map();
  private cancel: CancelTimer | null = null;
  private isStopped = false;

  constructor(options: TenantCountOptions) {
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
    const { list, tenants } = this.options;
    try {
      const counted = await Promise.all(
        tenants().map(async (tenant) => [tenant, (await list(tenant, countMax)).length] as const),
      );
      this.counts = new Map(counted);
    } catch {
      // A store that cannot be read is told by others; the last count stands.
    }
  }
}
