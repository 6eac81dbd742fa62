import type { Refusal } from "../../../contract/index.ts";
import type { Result, Sha256Hex } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal, TenantId } from "../../identity/index.ts";
import type { PolicyProblem, PolicySet } from "../../policy/index.ts";
import type { PolicySource, PolicyVersion } from "../../registry/index.ts";
import { policySourcesMax } from "../../registry/index.ts";
import type { Change } from "../../store/index.ts";
import type { Act } from "../act.ts";
import type { House } from "../house.ts";
import { iso } from "../instant.ts";
import { cursorFor, pageQuery, pageRequest } from "../page.ts";
import { refusePolicies } from "../policy-problems.ts";
import { route } from "../route.ts";
import type { Shape } from "../../api/index.ts";
import {
  digest,
  flag,
  instant,
  instantOrNull,
  listOf,
  object,
  objectWith,
  pageOf,
  receipt,
  text,
  textOrNull,
  named,
} from "../../api/index.ts";
import { explainRoute } from "./explain.ts";

const wholeOrNull = { type: ["integer", "null"] } as const;

const problem = named(
  "PolicyProblem",
  object({
    severity: { enum: ["error", "warning"] },
    file: textOrNull,
    line: wholeOrNull,
    column: wholeOrNull,
    policy: textOrNull,
    tool: textOrNull,
    message: text,
    hint: textOrNull,
  }),
);

const source = object({ name: { type: "string", minLength: 1, maxLength: 512 }, text });
const force = {
  ...flag,
  description: "also when these policies would not let you set policies any more; default false",
} as const;
const version = object({ digest, firstLoadedAt: instant });
const sources = {
  ...listOf(source, policySourcesMax),
  description: "policy texts; the name stands for the file",
} as const;

/** Each version is read whole, texts and all. */
const versionsPerPageMax = 50;

export const policyRoutes = [
  route({
    method: "GET",
    path: "/policies",
    summary: "Show the policies in force, and what is wrong with them",
    action: "admin.policy.show",
    kind: "read",
    answer: object({
      version: {
        oneOf: [version, { type: "null" }],
        description: "the active one; null = none was ever set",
      },
      since: instantOrNull,
      origin: {
        enum: ["file", "api", "default"],
        description: "`default`: none was ever set, the node's own hold",
      },
      sources,
      inForce: {
        ...listOf(object({ id: text, file: text, line: { type: "integer" }, text })),
        description: "the policies that decide now",
      },
      trouble: {
        type: ["array", "null"],
        items: problem,
        description: "why this version is not what is in force (the last good one is); null = it is in force",
      },
      warnings: listOf(problem),
    }),
    handle: async ({ actor }, house) => {
      const { tenant } = actor;
      const active = house.registry.activePolicies(tenant);
      const trouble = house.policies.trouble(tenant);
      const { policies, warnings } = house.policies.current(tenant);
      return ok({
        version: active === null ? null : versionView(active.version),
        since: active === null ? null : iso(active.since),
        origin: originOf(house, tenant),
        sources: active?.version.sources ?? [],
        inForce: policies.map(({ id, file, line, text }) => ({ id, file, line, text })),
        trouble: trouble === null ? null : trouble.map(problemView),
        warnings: warnings.map(problemView),
      });
    },
  }),
  route({
    method: "PUT",
    path: "/policies",
    summary: "Put a new version of the policies in force",
    notes:
      "Compiled first; with any error nothing changes and all errors are answered at once. Refused likewise when these policies would not let you set policies any more, unless `force`. With `replaces`, only if that version is still the active one.",
    action: "admin.policy.set",
    kind: "act",
    body: objectWith(["sources"], {
      sources,
      replaces: {
        type: ["string", "null"],
        description: "digest of the version you have seen; null = there was none",
      },
      force,
    }),
    example: { sources: [{ name: "all.cedar", text: "permit (principal, action, resource);" }] },
    answer: object({ version, warnings: listOf(problem), receipt }),
    handle: async ({ actor, act, body }, house) => {
      const refusal = whyNotChangeable(house, actor.tenant, body.replaces);
      if (refusal !== null) return refuse(refusal);
      const change = await house.registry.putPolicies(actor.tenant, body.sources);
      return activate(house, act, { texts: body.sources, change, force: body.force ?? false });
    },
  }),
  route({
    method: "POST",
    path: "/policies/activate",
    summary: "Go back, or forward, to a version that is known",
    notes: "Refused when that version would not let you set policies any more, unless `force`.",
    action: "admin.policy.activate",
    kind: "act",
    body: objectWith(["digest"], { digest, replaces: { type: ["string", "null"] }, force }),
    example: { digest: "0".repeat(64) },
    answer: object({ version, warnings: listOf(problem), receipt }),
    handle: async ({ actor, act, body }, house) => {
      const refusal = whyNotChangeable(house, actor.tenant, body.replaces);
      if (refusal !== null) return refuse(refusal);
      const change = await house.registry.activatePolicies(actor.tenant, body.digest as Sha256Hex); // looked up
      const texts = change.ok ? change.value.value.sources : [];
      return activate(house, act, { texts, change, force: body.force ?? false });
    },
  }),
  route({
    method: "POST",
    path: "/policies/check",
    summary: "Compile policies against the present servers and tools without putting them in force",
    action: "admin.policy.check",
    kind: "read",
    body: object({ sources }),
    example: { sources: [{ name: "all.cedar", text: "permit (principal, action, resource);" }] },
    answer: object({ acceptable: { type: "boolean" }, problems: listOf(problem) }),
    handle: async ({ actor, body }, house) => {
      const compiled = house.policies.compile(actor.tenant, filesOf(body.sources));
      const problems = compiled.ok ? compiled.value.warnings : compiled.refusal;
      return ok({ acceptable: compiled.ok, problems: problems.map(problemView) });
    },
  }),
  explainRoute,
  route({
    method: "GET",
    path: "/policies/versions",
    summary: "List the versions of the policies that were ever in force, by digest",
    action: "admin.policy.list-versions",
    kind: "read",
    query: {
      ...pageQuery,
      limit: { ...pageQuery.limit, maximum: versionsPerPageMax, default: versionsPerPageMax },
    },
    answer: pageOf(object({ ...version.properties, sources: listOf(text), isActive: { type: "boolean" } })),
    handle: async ({ actor, query }, house) => {
      const page = pageRequest("policy versions", query);
      if (!page.ok) return page;
      const limit = Math.min(page.value.limit, versionsPerPageMax);
      const after = page.value.after as Sha256Hex | null; // looked up
      const found = await house.registry.policyVersions(actor.tenant, limit + 1, after ?? undefined);
      const items = found.slice(0, limit);
      const last = items.at(-1);
      const active = house.registry.activePolicies(actor.tenant)?.version.digest;
      return ok({
        items: items.map((each) => ({
          ...versionView(each),
          sources: each.sources.map(({ name }) => name),
          isActive: each.digest === active,
        })),
        next: last === undefined || found.length <= limit ? null : cursorFor("policy versions", last.digest),
      });
    },
  }),
  route({
    method: "GET",
    path: "/policies/versions/{digest}",
    summary: "Show the texts of a version",
    action: "admin.policy.show-version",
    kind: "read",
    params: { digest },
    answer: object({ version, sources }),
    handle: async ({ actor, params }, house) => {
      const found = await house.registry.policyVersion(actor.tenant, params.digest as Sha256Hex); // looked up
      if (found === null) return refuse({ code: "not-found", detail: "There is no such version." });
      return ok({ version: versionView(found), sources: found.sources });
    },
  }),
];

async function activate(
  house: House,
  act: Act,
  {
    texts,
    change,
    force,
  }: {
    readonly texts: readonly PolicySource[];
    readonly change: Result<Change<PolicyVersion>>;
    readonly force: boolean;
  },
) {
  if (!change.ok) return change;
  const { tenant } = act.actor;
  const compiled = house.policies.compile(tenant, filesOf(texts));
  if (!compiled.ok) return refusePolicies(compiled.refusal);
  const locksOut = !mayStillSet(act.actor, compiled.value);
  if (locksOut && !force) {
    return refuse<Refusal>({
      code: "config-invalid",
      detail:
        "these policies would not let you set policies any more; add a permit for administration (see docs/guide/policies.md) or repeat with force",
    });
  }
  const { digest } = change.value.value;
  const before = house.registry.activePolicies(tenant)?.version.digest ?? null;
  const note = {
    from: before,
    to: digest,
    sources: texts.map(({ name }) => name),
    ...(locksOut ? { forced: true } : {}),
  };
  const performed = await house.acts.perform(act, digest, change.value, note);
  if (!performed.ok) return performed;
  house.policies.reload(tenant);
  return ok({
    version: versionView(performed.value.value),
    warnings: compiled.value.warnings.map(problemView),
    receipt: performed.value.receipt,
  });
}

/** Whether whoever puts these policies in force could put others in force afterwards. */
function mayStillSet(actor: Principal, policies: PolicySet): boolean {
  const decision = policies.decide({
    principal: actor,
    action: "admin.policy.set",
    resource: { type: "Tenant", id: actor.tenant },
    context: {},
  });
  return decision.effect === "allow";
}

function originOf(house: House, tenant: TenantId): "file" | "api" | "default" {
  if (house.policiesComeFromFile?.(tenant)) return "file";
  return house.registry.activePolicies(tenant) === null ? "default" : "api";
}

function whyNotChangeable(
  house: House,
  tenant: TenantId,
  replaces: string | null | undefined,
): Refusal | null {
  if (originOf(house, tenant) === "file") {
    return {
      code: "conflict",
      detail: "The policies of this tenant come from the configuration file. Change them there.",
    };
  }
  const active = house.registry.activePolicies(tenant)?.version.digest ?? null;
  if (replaces === undefined || replaces === active) return null;
  return { code: "conflict", detail: `The active version is ${active ?? "none"}. Look at it and repeat.` };
}

const filesOf = (texts: readonly PolicySource[]) => texts.map(({ name, text }) => ({ path: name, text }));

const versionView = ({ digest, firstLoadedAt }: PolicyVersion): Shape<typeof version> => ({
  digest,
  firstLoadedAt: iso(firstLoadedAt),
});

const problemView = (found: PolicyProblem): Shape<typeof problem> => ({ ...found });
