import { ok, refuse } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import { adminName, systemTenant } from "../../identity/index.ts";
import { iso, isoOrNull } from "../instant.ts";
import { pageOfSorted, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";
import { instant, instantOrNull, object, pageOf, receipt, text, named } from "../../api/index.ts";

const tenant = named("Tenant", object({ id: text, createdAt: instant }));

/** One day: enough to sign in and make a key of one's own. */
const adminKeyTtlMs = 24 * 3_600_000;

export const tenantRoutes = [
  route({
    method: "GET",
    path: "/tenants",
    summary: "List the tenants; outside the tenant `system` only one's own is seen",
    action: "admin.tenant.list",
    kind: "read",
    query: pageQuery,
    answer: pageOf(tenant),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("tenants", query);
      if (!page.ok) return page;
      const all = house.identities
        .tenants()
        .filter(({ id }) => actor.tenant === systemTenant || id === actor.tenant);
      const { items, next } = pageOfSorted("tenants", page.value, all, ({ id }) => id);
      return ok({ items: items.map(({ id, createdAt }) => ({ id, createdAt: iso(createdAt) })), next });
    },
  }),
  route({
    method: "POST",
    path: "/tenants",
    summary: "Create a tenant with its node service and its admin",
    notes: "For people of the tenant `system`. Its admin has no credential yet: issue one with `admin-key`.",
    action: "admin.tenant.create",
    kind: "act",
    body: object({ id: { type: "string", description: "lower-case letters, digits and single hyphens" } }),
    example: { id: "finance" },
    status: 201,
    answer: object({ tenant, admin: text, receipt }),
    handle: async ({ actor, act, body }, house) => {
      const change = house.identities.createTenant(actor, body.id);
      if (!change.ok) return change;
      const performed = await house.acts.perform(act, body.id, change.value, { tenant: body.id });
      if (!performed.ok) return performed;
      const { tenant, admin } = performed.value.value;
      return ok({
        tenant: { id: tenant.id, createdAt: iso(tenant.createdAt) },
        admin: admin.id,
        receipt: performed.value.receipt,
      });
    },
  }),
  route({
    method: "POST",
    path: "/tenants/{tenant}/admin-key",
    summary: "Issue an API key for a tenant's first admin",
    notes: "For people of the tenant `system`. The key lives a day. Both tenants' ledgers record it.",
    action: "admin.tenant.issue-admin-key",
    kind: "act",
    params: { tenant: text },
    status: 201,
    answer: object({
      key: object({ id: text, principal: text, expiresAt: instantOrNull }),
      secret: { type: "string", description: "shown this once and kept nowhere" },
      receipt,
    }),
    handle: async ({ actor, act, params }, house) => {
      const node = house.identities.node(params.tenant as TenantId); // looked up
      if (actor.tenant !== systemTenant || !node.ok) {
        return refuse({ code: "not-found", detail: "There is no such tenant." });
      }
      const admin = house.identities.find(node.value, "person", adminName);
      if (!admin.ok) return admin;
      const fresh = { label: "first admin", ttlMs: adminKeyTtlMs };
      const change = house.identities.issueApiKey(node.value, admin.value.id, fresh);
      if (!change.ok) return change;
      const { record, secret } = change.value.value;
      const note = { tenant: params.tenant, key: record.id, expiresAt: isoOrNull(record.expiresAt) };
      const performed = await house.acts.perform(act, admin.value.id, change.value, note, {
        witness: node.value,
      });
      if (!performed.ok) return performed;
      const { id, principal, expiresAt } = record;
      return ok({
        key: { id, principal, expiresAt: isoOrNull(expiresAt) },
        secret,
        receipt: performed.value.receipt,
      });
    },
  }),
];
