import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { TenantId } from "./principal.ts";
import { rolesPerPrincipalMax } from "./limits.ts";

/** Of principals and roles, as a JSON Schema has it. */
export const namePatternText = "^[A-Za-z0-9._@-]{1,64}$";
const namePattern = new RegExp(namePatternText);
const tenantPattern = /^[a-z0-9](?:-?[a-z0-9])*$/;
const tenantCharsMax = 32;
const labelPattern = /^[\x20-\x7e]{1,64}$/;

/** Names of principals and roles: 1-64 of `[A-Za-z0-9._@-]`, so that they can stand in a path, a log line and a policy as they are. */
export function checkName(what: "name" | "role", name: string): Result<string> {
  if (namePattern.test(name)) return ok(name);
  return refuse({
    code: "invalid-params",
    detail: `The ${what} must be 1-64 characters of A-Z a-z 0-9 . _ @ -`,
    evidence: { [what]: name.slice(0, 80) },
  });
}

/** Sorted, each once. */
export function checkRoles(roles: readonly string[]): Result<readonly string[]> {
  const distinct = new Set<string>();
  for (const role of roles) {
    const checked = checkName("role", role);
    if (!checked.ok) return checked;
    distinct.add(role);
    if (distinct.size > rolesPerPrincipalMax) {
      return refuse({
        code: "invalid-params",
        detail: `A principal has at most ${rolesPerPrincipalMax} roles; ${roles.length} were given.`,
      });
    }
  }
  return ok([...distinct].toSorted());
}

export function checkTenant(id: string): Result<TenantId> {
  if (id.length <= tenantCharsMax && tenantPattern.test(id)) return ok(id as TenantId);
  return refuse({
    code: "invalid-params",
    detail: `The tenant must be 1-${tenantCharsMax} of a-z 0-9, with single hyphens between them.`,
    evidence: { tenant: id.slice(0, 80) },
  });
}

export function checkLabel(label: string): Result<string> {
  if (labelPattern.test(label)) return ok(label);
  return refuse({ code: "invalid-params", detail: "The label must be 1-64 printable ASCII characters." });
}
