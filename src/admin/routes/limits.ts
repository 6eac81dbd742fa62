import type { Refusal } from "../../../contract/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { TenantId } from "../../identity/index.ts";
import { namePatternText } from "../../identity/index.ts";
import type { LimitVersion } from "../../registry/index.ts";
import { callsMaxMax, limitDefaults, limitedAgentsMax } from "../../registry/index.ts";
import type { Shape } from "../../api/index.ts";
import { instantOrNull, named, object, objectWith, pageOf, receipt } from "../../api/index.ts";
import type { House } from "../house.ts";
import { isoOrNull } from "../instant.ts";
import { cursorFor, pageQuery, pageRequest } from "../page.ts";
import { route } from "../route.ts";

const callsMax = { type: "integer", minimum: 1, maximum: callsMaxMax } as const;
const fields = {
  perPrincipalCallsMax: {
    ...callsMax,
    description: "calls that each principal may have under way at once, on each node",
  },
  tenantCallsMax: {
    ...callsMax,
    type: ["integer", "null"],
    description: "the same for all of the tenant's principals together; null = as many as the node bears",
  },
  agents: {
    type: "object",
    maxProperties: limitedAgentsMax,
    propertyNames: { pattern: namePatternText },
    additionalProperties: callsMax,
    description: "agents with a limit of their own, by name: calls at once, on each node",
  },
} as const;

const limitVersion = named(
  "Limits",
  object({
    version: { type: "integer", description: "entries of calls name it; 0 = none was ever set" },
    origin: {
      enum: ["default", "file", "api"],
      description: "`file`: the configuration file alone changes them",
    },
    since: instantOrNull,
    ...fields,
  }),
);

export const limitRoutes = [
  route({
    method: "GET",
    path: "/limits",
    summary: "Show how many calls callers may have under way at once",
    action: "admin.limits.show",
    kind: "read",
    answer: limitVersion,
    handle: ({ actor }, house) => Promise.resolve(ok(limitsView(house.registry.limits.of(actor.tenant)))),
  }),
  route({
    method: "PUT",
    path: "/limits",
    summary: "Put other limits in force, on all nodes within about a second",
    notes:
      "What is left out has its default. Calls that wait are let in where there is room now; those under way go on, also where they are too many. With `replaces`, only if that version is still the one in force.",
    action: "admin.limits.set",
    kind: "act",
    body: objectWith([], {
      ...fields,
      replaces: { type: "integer", minimum: 0, description: "the version you have seen" },
    }),
    example: { perPrincipalCallsMax: 50, agents: { invoicer: 5 } },
    answer: object({ limits: limitVersion, receipt }),
    handle: async ({ actor, act, body }, house) => {
      const { tenant } = actor;
      const { replaces, ...given } = body;
      // Another node may have set others a moment ago, and "they are in force already" must be no answer from before that.
      await house.registry.limits.reread(tenant);
      const refusal = whyNotChangeable(house, tenant, replaces);
      if (refusal !== null) return refuse(refusal);
      const { origin, limits: from } = house.registry.limits.of(tenant);
      const change = house.registry.limits.put(tenant, { ...limitDefaults, ...given }, "api");
      if (!change.ok) return change;
      const { version, limits: to } = change.value.value;
      const note = { origin: "api", version, from: { origin, ...from }, to };
      const performed = await house.acts.perform(act, tenant, change.value, note);
      if (!performed.ok) return performed;
      return ok({ limits: limitsView(performed.value.value), receipt: performed.value.receipt });
    },
  }),
  route({
    method: "GET",
    path: "/limits/versions",
    summary: "List the limits that were ever in force, newest first",
    action: "admin.limits.list-versions",
    kind: "read",
    query: pageQuery,
    answer: pageOf(limitVersion),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("limits", query);
      if (!page.ok) return page;
      const { limit, after } = page.value;
      const before = after === null ? undefined : Number(after);
      const found = await house.registry.limits.list(actor.tenant, limit + 1, before);
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return ok({
        items: items.map(limitsView),
        next: last === undefined || found.length <= limit ? null : cursorFor("limits", String(last.version)),
      });
    },
  }),
];

function whyNotChangeable({ registry }: House, tenant: TenantId, replaces?: number): Refusal | null {
  const { version, origin } = registry.limits.of(tenant);
  if (origin === "file") {
    return {
      code: "conflict",
      detail: "The limits of this tenant come from the configuration file. Change them there.",
    };
  }
  if (replaces === undefined || replaces === version) return null;
  return {
    code: "conflict",
    detail: `Version ${version} of the limits is in force, not ${replaces}. Look at it and repeat.`,
  };
}

const limitsView = ({ version, origin, since, limits }: LimitVersion): Shape<typeof limitVersion> => ({
  version,
  origin,
  since: isoOrNull(since),
  ...limits,
});
