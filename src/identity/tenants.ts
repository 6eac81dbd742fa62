import type { Result } from "../base/index.ts";
import { msOf, ok, refuse } from "../base/index.ts";
import type { Change, Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import { changed, creation } from "./changes.ts";
import type { Ground } from "./changes.ts";
import { tenantsMax } from "./limits.ts";
import { checkTenant } from "./names.ts";
import type { Principal, PrincipalKind, TenantId } from "./principal.ts";
import { defaultTenant, systemTenant } from "./principal.ts";
import { tenantSubject } from "./read-store.ts";
import type { PrincipalRecord, TenantRecord } from "./records.ts";
import { tenantTable } from "./tables.ts";

/** Who is in a tenant from its first moment: the node's own service principal, and a person who may let others in. */
export const nodeName = "node";
export const adminName = "admin";
const adminRole = "admin";

export interface NewTenant {
  readonly tenant: TenantRecord;
  readonly node: PrincipalRecord;
  readonly admin: PrincipalRecord;
}

export interface Bootstrap {
  readonly isFirstStart: boolean;
  readonly default: NewTenant;
  readonly system: NewTenant;
}

/**
 * A tenant with its node service and its admin, who has no credential yet. Making one is an act on the installation, so it is
 * open to actors of tenant `system` only: nobody reaches across tenants.
 */
export function createTenant(ground: Ground, actor: Principal, name: string): Result<Change<NewTenant>> {
  if (actor.tenant !== systemTenant) {
    return refuse({ code: "forbidden", detail: "Tenants are made by people of the tenant system." });
  }
  const checked = checkTenant(name);
  if (!checked.ok) return checked;
  if (ground.directory.tenant(checked.value) !== null) {
    return refuse({ code: "conflict", detail: `There is already a tenant "${name}".` });
  }
  if (ground.directory.tenantCount >= tenantsMax) {
    return refuse({ code: "conflict", detail: `The installation already holds ${tenantsMax} tenants.` });
  }
  return completeTenant(ground, checked.value);
}

/** Makes whatever is missing of the two first tenants; nothing to write when all is there. */
export function bootstrap(ground: Ground): Result<Change<Bootstrap>> {
  const first = completeTenant(ground, defaultTenant);
  if (!first.ok) return first;
  const second = completeTenant(ground, systemTenant);
  if (!second.ok) return second;
  const writes = [...first.value.writes, ...second.value.writes];
  return ok({
    writes,
    value: { isFirstStart: writes.length > 0, default: first.value.value, system: second.value.value },
    applied: () => {
      first.value.applied();
      second.value.applied();
    },
  });
}

function completeTenant(ground: Ground, id: TenantId): Result<Change<NewTenant>> {
  const node = present(ground, id, "service", nodeName, []);
  if (!node.ok) return node;
  const admin = present(ground, id, "person", adminName, [adminRole]);
  if (!admin.ok) return admin;
  const known = ground.directory.tenant(id);
  const tenant: TenantRecord = known ?? { id, createdAt: ground.clock.wall() };
  const own: Write[] =
    known === null
      ? [insert(tenantTable, { id, createdAt: msOf(tenant.createdAt) }), changed(ground, tenantSubject(id))]
      : [];
  return ok({
    writes: [...own, ...node.value.writes, ...admin.value.writes],
    value: { tenant, node: node.value.value, admin: admin.value.value },
    applied: () => {
      ground.directory.putTenant(tenant);
      node.value.applied();
      admin.value.applied();
    },
  });
}

/** The principal that is there, or the change that makes it. */
function present(
  ground: Ground,
  tenant: TenantId,
  kind: PrincipalKind,
  name: string,
  roles: readonly string[],
): Result<Change<PrincipalRecord>> {
  const standing = ground.directory.named(tenant, kind, name);
  if (standing === null) return creation(ground, tenant, kind, name, roles);
  return ok({ writes: [], value: standing.record, applied: () => undefined });
}
