import type { Refusal } from "../../contract/index.ts";
import type { Result, Sha256Hex, WallMs } from "../base/index.ts";
import { canonicalDigest, msOf, ok, refuse, wallMs } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Change, RowOf, Store, Write } from "../store/index.ts";
import { insert, update } from "../store/index.ts";
import { deepFreeze } from "./json-bounds.ts";
import { activePolicyTable, policyVersionTable } from "./tables.ts";

/** One policy text. `name` is a file's path relative to its root, or whatever the API called it. */
export interface PolicySource {
  readonly name: string;
  readonly text: string;
}

/** A set of policy texts under its digest. Which compiler accepted it, and whether, is not our question. */
export interface PolicyVersion {
  readonly tenant: TenantId;
  /** SHA-256 over RFC 8785 of the sources, sorted by name. */
  readonly digest: Sha256Hex;
  readonly sources: readonly PolicySource[];
  readonly firstLoadedAt: WallMs;
}

export interface ActivePolicies {
  readonly version: PolicyVersion;
  readonly since: WallMs;
}

/** A thousand policies of the size in our examples are 400 KB; ten times that is the most one version may have. */
const policyBytesMax = 4 * 1024 * 1024;
export const policySourcesMax = 1_000;

interface Active extends ActivePolicies {
  readonly rowVersion: number;
}

/** Policy versions as records: texts by digest, kept for good, and a pointer per tenant to the one in force. */
export class PolicyVersions {
  private readonly active = new Map<TenantId, Active>();
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Reads again which version is in force; true = it is another one than before. Never goes back behind what is known here. */
  async reread(tenant: TenantId): Promise<boolean> {
    const row = await this.store.get(activePolicyTable, { tenant });
    if (row === null || row.row_version <= (this.active.get(tenant)?.rowVersion ?? 0)) return false;
    const version = await this.version(tenant, row.digest as Sha256Hex);
    if (version === null || row.row_version <= (this.active.get(tenant)?.rowVersion ?? 0)) return false;
    this.active.set(tenant, { version, since: wallMs(row.since), rowVersion: row.row_version });
    return true;
  }

  async load(): Promise<void> {
    this.active.clear();
    for (let after: string | null = null; ;) {
      const rows: readonly RowOf<(typeof activePolicyTable)["columns"]>[] = await this.store.list(
        activePolicyTable,
        { index: "key", limit: 500, ...(after === null ? {} : { after }) },
      );
      for (const row of rows) {
        const version = await this.version(row.tenant as TenantId, row.digest as Sha256Hex);
        if (version === null) continue; // inserted in the same transaction as the pointer; cannot be missing
        this.active.set(version.tenant, {
          version,
          since: wallMs(row.since),
          rowVersion: row.row_version,
        });
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < 500) return;
      after = last.tenant;
    }
  }

  /** Null when no policy was ever put: everything is denied. */
  activeOf(tenant: TenantId): ActivePolicies | null {
    return this.active.get(tenant) ?? null;
  }

  async version(tenant: TenantId, digest: Sha256Hex): Promise<PolicyVersion | null> {
    const row = await this.store.get(policyVersionTable, { tenant, digest });
    return row === null ? null : versionOf(row);
  }

  /** By digest; page with the last one as `after`. */
  async list(tenant: TenantId, limit: number, after?: Sha256Hex): Promise<readonly PolicyVersion[]> {
    const rows = await this.store.list(policyVersionTable, {
      index: "key",
      equals: { tenant },
      limit,
      ...(after === undefined ? {} : { after }),
    });
    return rows.map(versionOf);
  }

  /** Makes these texts the ones in force. No writes when they are already. */
  async put(
    tenant: TenantId,
    sources: readonly PolicySource[],
    now: WallMs,
  ): Promise<Result<Change<PolicyVersion>>> {
    const problem = sourcesProblem(sources);
    if (problem !== null) return refuse({ code: "invalid-params", detail: problem });
    const sorted = [...sources]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, text }) => ({ name, text }));
    const digest = canonicalDigest(sorted);
    const active = this.active.get(tenant);
    if (active?.version.digest === digest) {
      return ok({ writes: [], value: active.version, applied: () => undefined });
    }
    const known = await this.version(tenant, digest);
    const version = known ?? deepFreeze({ tenant, digest, sources: sorted, firstLoadedAt: now });
    const writes: Write[] = [];
    if (known === null) {
      writes.push(
        insert(policyVersionTable, {
          tenant,
          digest,
          sources: JSON.stringify(sorted),
          first_loaded_at: msOf(now),
        }),
      );
    }
    return ok(this.pointTo(version, now, writes));
  }

  /** Goes back (or forward) to a version that is known. */
  async activate(tenant: TenantId, digest: Sha256Hex, now: WallMs): Promise<Result<Change<PolicyVersion>>> {
    const version = await this.version(tenant, digest);
    if (version === null) {
      return refuse<Refusal>({ code: "not-found", detail: `There is no policy version ${digest}.` });
    }
    if (this.active.get(tenant)?.version.digest === digest) {
      return ok({ writes: [], value: version, applied: () => undefined });
    }
    return ok(this.pointTo(version, now, []));
  }

  private pointTo(version: PolicyVersion, now: WallMs, writes: Write[]): Change<PolicyVersion> {
    const { tenant, digest } = version;
    const old = this.active.get(tenant);
    const rowVersion = (old?.rowVersion ?? 0) + 1;
    const set = { digest, since: msOf(now), row_version: rowVersion };
    writes.push(
      old === undefined
        ? insert(activePolicyTable, { tenant, ...set })
        : update(activePolicyTable, { tenant }, set, { row_version: old.rowVersion }),
    );
    return {
      writes,
      value: version,
      applied: () => void this.active.set(tenant, { version, since: now, rowVersion }),
    };
  }
}

function sourcesProblem(sources: readonly PolicySource[]): string | null {
  if (sources.length > policySourcesMax) {
    return `${sources.length} policy texts; ${policySourcesMax} are allowed`;
  }
  const names = new Set(sources.map((source) => source.name));
  if (names.size < sources.length) return "two policy texts have the same name";
  if (!sources.every(({ name, text }) => name.isWellFormed() && text.isWellFormed())) {
    return "a policy text contains a lone surrogate";
  }
  const bytes = sources.reduce((sum, source) => sum + Buffer.byteLength(source.text), 0);
  return bytes > policyBytesMax ? `the policies are ${bytes} bytes; ${policyBytesMax} are allowed` : null;
}

const versionOf = (row: RowOf<(typeof policyVersionTable)["columns"]>): PolicyVersion =>
  deepFreeze({
    tenant: row.tenant as TenantId,
    digest: row.digest as Sha256Hex,
    sources: JSON.parse(row.sources) as PolicySource[],
    firstLoadedAt: wallMs(row.first_loaded_at),
  });
