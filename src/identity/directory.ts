import type { Result, Sha256Hex } from "../base/index.ts";
import { ok } from "../base/index.ts";
import type { Identity, Principal, PrincipalId, PrincipalKind, TenantId } from "./principal.ts";
import type { PrincipalRecord, StoredKey, TenantRecord } from "./records.ts";

/**
 * A principal as it stands now. Never edited: a change puts a new one in its place, so that holding one and finding the same
 * object in the directory proves that nothing changed. `answer` is made once and shared by all who authenticate.
 */
export interface Standing {
  readonly record: PrincipalRecord;
  readonly keys: readonly StoredKey[];
  readonly answer: Result<Principal> & { readonly ok: true };
}

export interface KeyHolder {
  readonly key: StoredKey;
  readonly standing: Standing;
}

/** Tenants, principals and keys in memory. Bounded by what the verbs let in (see limits). */
export class Directory {
  private readonly tenants = new Map<TenantId, TenantRecord>();
  private readonly byId = new Map<PrincipalId, Standing>();
  private readonly byName = new Map<string, PrincipalId>();
  private readonly byHash = new Map<Sha256Hex, KeyHolder>();

  get tenantCount(): number {
    return this.tenants.size;
  }
  get principalCount(): number {
    return this.byId.size;
  }
  get keyCount(): number {
    return this.byHash.size;
  }

  tenant(id: TenantId): TenantRecord | null {
    return this.tenants.get(id) ?? null;
  }
  allTenants(): readonly TenantRecord[] {
    return [...this.tenants.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }
  standing(id: PrincipalId): Standing | null {
    return this.byId.get(id) ?? null;
  }
  named(tenant: TenantId, kind: PrincipalKind, name: string): Standing | null {
    const id = this.byName.get(nameKey(tenant, kind, name));
    return id === undefined ? null : this.standing(id);
  }
  holderOf(hash: Sha256Hex): KeyHolder | null {
    return this.byHash.get(hash) ?? null;
  }

  putTenant(tenant: TenantRecord): void {
    this.tenants.set(tenant.id, tenant);
  }

  /** Takes in a record with all of its keys. An older version than the one here is ignored: it was read before a later change. */
  put(record: PrincipalRecord, keys: readonly StoredKey[]): void {
    const before = this.byId.get(record.id);
    if (before !== undefined && before.record.version > record.version) return;
    for (const key of before?.keys ?? []) this.byHash.delete(key.hash);
    const standing: Standing = { record, keys, answer: ok(principalFor(record, [])) };
    this.byId.set(record.id, standing);
    this.byName.set(nameKey(record.tenant, record.kind, record.name), record.id);
    for (const key of keys) this.byHash.set(key.hash, { key, standing });
  }

  clear(): void {
    this.tenants.clear();
    this.byId.clear();
    this.byName.clear();
    this.byHash.clear();
  }
}

/** The principal for a record and those it acts for, nearest first. Its version names everyone's, so a change anywhere shows. */
export function principalFor(record: PrincipalRecord, chain: readonly PrincipalRecord[]): Principal {
  return Object.freeze({
    ...identityOf(record),
    tenant: record.tenant,
    chain: Object.freeze(chain.map(identityOf)),
    version: [record, ...chain].map(({ id, version }) => `${id}@${version}`).join(" "),
  });
}

const identityOf = ({ id, kind, name, roles }: PrincipalRecord): Identity =>
  Object.freeze({ id, kind, name, roles: Object.freeze([...roles]) });

// None of the three may contain a slash.
const nameKey = (tenant: TenantId, kind: PrincipalKind, name: string): string => `${tenant}/${kind}/${name}`;
