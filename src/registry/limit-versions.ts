import type { Clock, Random, Result, WallMs } from "../base/index.ts";
import { msOf, ok, refuse, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Change, RowOf, Store } from "../store/index.ts";
import { insert } from "../store/index.ts";
import { told } from "./changes.ts";
import { deepFreeze } from "./json-bounds.ts";
import type { Limits } from "./limits.ts";
import { limitDefaults, limitsProblem, sameLimits } from "./limits.ts";
import { Listeners } from "./listeners.ts";
import { limitsTable } from "./tables.ts";

/**
 *  default  nobody has said anything
 *  file     the configuration file says so, and it alone changes them
 *  api      an administrator has set them
 */
export type LimitsOrigin = "default" | "file" | "api";

/** Limits as they stand, or stood, from `since` on. */
export interface LimitVersion {
  /** From 1 up; 0 = none was ever set, and the defaults hold. Entries of calls that were admitted, or not, name it. */
  readonly version: number;
  readonly origin: LimitsOrigin;
  readonly limits: Limits;
  readonly since: WallMs | null;
}

interface LimitVersionsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

const none: LimitVersion = deepFreeze({ version: 0, origin: "default", limits: limitDefaults, since: null });

/** The limits of each tenant, by version, all of them kept; the newest is in force. */
export class LimitVersions {
  private readonly options: LimitVersionsOptions;
  private readonly newest = new Map<TenantId, LimitVersion>();
  private readonly changes = new Listeners<[tenant: TenantId]>();

  constructor(options: LimitVersionsOptions) {
    this.options = options;
  }

  /** What is in force. The hot path: one Map look-up. */
  of(tenant: TenantId): LimitVersion {
    return this.newest.get(tenant) ?? none;
  }

  /** Called after others are in force, here or because another node has set them. Returns how to stop listening. */
  onChange(listener: (tenant: TenantId) => void): () => void {
    return this.changes.add(listener);
  }

  /** Puts these in force. No writes when they are, with this origin. Refusals: `invalid-params`. */
  put(tenant: TenantId, limits: Limits, origin: LimitsOrigin): Result<Change<LimitVersion>> {
    const problem = limitsProblem(limits);
    if (problem !== null) return refuse({ code: "invalid-params", detail: problem });
    const before = this.of(tenant);
    if (before.origin === origin && sameLimits(before.limits, limits))
      return ok({ writes: [], value: before, applied: () => undefined });
    const since = this.options.clock.wall();
    const { perPrincipalCallsMax, tenantCallsMax, agents } = limits;
    const plain = { perPrincipalCallsMax, tenantCallsMax, agents: { ...agents } };
    const value = deepFreeze({ version: before.version + 1, origin, limits: plain, since });
    // Two who change the same version want the same row, and one of them is told so.
    const row = { tenant, version: value.version, origin, limits: JSON.stringify(plain), since: msOf(since) };
    const change: Change<LimitVersion> = {
      writes: [insert(limitsTable, row)],
      value,
      applied: () => this.hold(tenant, value),
    };
    return ok(told(change, { kind: "limits", tenant }, this.options));
  }

  /** Makes them what the configuration file says; null = it says nothing: then what it once said holds no more. */
  applyFile(tenant: TenantId, limits: Limits | null): Result<Change<LimitVersion>> {
    if (limits !== null) return this.put(tenant, limits, "file");
    const now = this.of(tenant);
    return now.origin === "file"
      ? this.put(tenant, limitDefaults, "default")
      : this.put(tenant, now.limits, now.origin);
  }

  /** Newest first; page with the last version as `before`. */
  async list(tenant: TenantId, limit: number, before?: number): Promise<readonly LimitVersion[]> {
    const rows = await this.options.store.list(limitsTable, {
      index: "key",
      equals: { tenant },
      order: "descending",
      limit,
      ...(before === undefined ? {} : { upTo: before - 1 }),
    });
    return rows.map(versionOf);
  }

  /** Reads again what is in force. */
  async reread(tenant: TenantId): Promise<void> {
    const [newest] = await this.list(tenant, 1);
    if (newest !== undefined) this.hold(tenant, newest);
  }

  async load(): Promise<void> {
    this.newest.clear();
    for (let after: string | null = null; ;) {
      // However many versions a tenant has, one row of it leads to the next tenant.
      const [row]: readonly { readonly tenant: string }[] = await this.options.store.list(limitsTable, {
        index: "key",
        limit: 1,
        ...(after === null ? {} : { after }),
      });
      if (row === undefined) return;
      await this.reread(row.tenant as TenantId);
      after = row.tenant;
    }
  }

  /** Never goes back behind what is known here. */
  private hold(tenant: TenantId, version: LimitVersion): void {
    if (version.version <= this.of(tenant).version) return;
    this.newest.set(tenant, version);
    this.changes.tell(tenant);
  }
}

const versionOf = (row: RowOf<(typeof limitsTable)["columns"]>): LimitVersion =>
  deepFreeze({
    version: row.version,
    origin: row.origin as LimitsOrigin,
    limits: JSON.parse(row.limits) as Limits,
    since: wallMs(row.since),
  });
