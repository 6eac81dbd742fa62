import * as wasm from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Identity } from "../identity/index.ts";
import type { CedarValueJson, Clause, EntityJson } from "./cedar.ts";
import { compilePolicies } from "./compile.ts";
import { chainRecord, principalAncestors, principalType, requestContext } from "./context.ts";
import type { Decision } from "./decision.ts";
import { rewriteNumbers } from "./numbers.ts";
import { agent, catalog, identity } from "./policy.fixture.ts";
import type { PolicySet } from "./policy-set.ts";
import { problemText } from "./problem.ts";
import { placeResource } from "./resources.ts";
import type { DecideRequest } from "./request.ts";

/**
 * The reference is Cedar itself, unpartitioned and as written: all policies, all entities, the whole context. `approve` is what
 * turns from deny to allow when the forbids with @approve are left out.
 */
function reference(set: PolicySet, request: DecideRequest): Decision["effect"] {
  const effects = new Set(
    [request.principal, ...request.principal.chain].map((who): Decision["effect"] => {
      const whole = native(set, request, who, true);
      const without = native(set, request, who, false);
      if (whole.errors) return "deny";
      if (whole.decision === "allow") return "allow";
      return without.decision === "allow" ? "approve" : "deny";
    }),
  );
  if (effects.has("deny")) return "deny";
  return effects.has("approve") ? "approve" : "allow";
}

function native(
  set: PolicySet,
  request: DecideRequest,
  who: Identity,
  withApprovals: boolean,
): { readonly decision: "allow" | "deny"; readonly errors: boolean } {
  const { principal, action, resource } = request;
  const args = set.catalog.tools.get(resource.id)?.argumentsType() ?? {
    kind: "record",
    attributes: new Map(),
  };
  const policies = set.resolved.flatMap((policy, place) => {
    if (policy.parsed.approval !== null && !withApprovals) return [];
    const conditions = policy.json.conditions.map((clause): Clause => ({
      kind: clause.kind,
      body: rewriteNumbers(clause.body, args, []),
    }));
    return [[String(place), { ...policy.json, conditions }] as const];
  });
  const placed = placeResource(resource, principal.tenant, set.catalog);
  const uid = { type: principalType[who.kind], id: who.id };
  const entities: EntityJson[] = [
    { uid, attrs: { id: who.id, name: who.name }, parents: [...principalAncestors(who, principal.tenant)] },
    { uid: { ...placed.self }, attrs: placed.attributes, parents: [...placed.ancestors] },
  ];
  if (placed.server !== null) {
    const parents = [{ type: "Tenant", id: principal.tenant }];
    entities.push({
      uid: { type: "Server", id: placed.server.id },
      attrs: placed.server.attributes,
      parents,
    });
  }
  const all = { whole: true, children: new Map() };
  const context: Record<string, CedarValueJson> = requestContext(all, args, request.context, []);
  context["chain"] = chainRecord(principal);
  const answer = wasm.isAuthorized({
    principal: uid,
    action: { type: "Action", id: action },
    resource: { ...placed.self },
    context,
    policies: { staticPolicies: Object.fromEntries(policies) },
    entities,
  });
  if (answer.type === "failure") throw new Error(JSON.stringify(answer.errors));
  return { decision: answer.response.decision, errors: answer.response.diagnostics.errors.length > 0 };
}

const principalScope = fc.constantFrom(
  "principal",
  "principal is Agent",
  `principal == Agent::"a"`,
  `principal == Agent::"agent/age_b"`,
  `principal in Role::"finance"`,
  `principal is Person in Role::"reader"`,
  `principal in Tenant::"default"`,
);
const actionScope = fc.constantFrom(
  "action",
  `action == Action::"call"`,
  `action in [Action::"call", Action::"read"]`,
  `action == Action::"read"`,
  `action in [Action::"get", Action::"complete"]`,
  `action in [Action::"read", Action::"subscribe", Action::"complete"]`,
);
const resourceScope = fc.constantFrom(
  "resource",
  "resource is Tool",
  `resource == Tool::"bank/pay"`,
  `resource == Tool::"srv_2/read_file"`,
  `resource in Server::"files"`,
  `resource is Tool in Server::"bank"`,
  `resource in Tenant::"default"`,
  `resource == Resource::"files/file:///x"`,
  `resource is Resource in Server::"files"`,
  `resource == Prompt::"files/daily-news"`,
  "resource is Prompt",
);
const condition = fc.constantFrom(
  "",
  "when { context.args has amount && context.args.amount < 100 }",
  "when { context.args has count && context.args.count * 4503599627370496 > 0 }",
  `when { context.args has to && context.args.to like "acme*" }`,
  `when { context.args has tags && context.args.tags.contains("x") }`,
  `unless { context.args has path && context.args.path == "/tmp" }`,
  `when { resource in Server::"files" || principal in Role::"finance" }`,
  `when { context.chain.depth > 0 }`,
  `when { context.chain.people.contains(Person::"p") }`,
  `when { principal in [Agent::"a", Person::"p"] }`,
  `when { principal.name == "a" }`,
  `when { resource has class && resource.class == "read" } unless { principal == Agent::"a" }`,
  `when { resource has name && resource.name like "file:///*" }`,
  `when { resource has server && resource.server.name == "files" }`,
);
const policy = fc
  .record({
    effect: fc.constantFrom("permit", "permit", "forbid", `@approve("group=finance") forbid`),
    principal: principalScope,
    action: actionScope,
    resource: resourceScope,
    condition,
  })
  .map((p) => `${p.effect}(${p.principal}, ${p.action}, ${p.resource}) ${p.condition};`);

const roles = fc.subarray(["finance", "reader"]);
const request = fc
  .record({
    name: fc.constantFrom("a", "b", "c"),
    roles,
    chain: fc.array(
      fc.tuple(fc.constantFrom("person" as const, "agent" as const), fc.constantFrom("p", "a"), roles),
      { maxLength: 2 },
    ),
    target: fc.constantFrom(
      ["call", "Tool", "srv_1/pay"] as const,
      ["call", "Tool", "srv_1/pay"] as const,
      ["call", "Tool", "srv_2/read_file"] as const,
      ["call", "Tool", "srv_2/delete_file"] as const,
      ["read", "Resource", "srv_2/file:///x"] as const,
      ["read", "Resource", "srv_9/x"] as const,
      ["read", "Resource", "srv_2/file:///other"] as const,
      ["subscribe", "Resource", "srv_2/file:///x"] as const,
      ["complete", "Resource", "srv_2/file:///{name}"] as const,
      ["complete", "Prompt", "srv_2/daily-news"] as const,
      ["get", "Prompt", "srv_2/daily-news"] as const,
      ["get", "Prompt", "srv_1/greet"] as const,
    ),
    amount: fc.constantFrom(1, 99.9999, 100, 250.5),
    count: fc.constantFrom(1, 4096, -3),
    to: fc.constantFrom("acme inc", "evil"),
    tags: fc.constantFrom(undefined, ["x"], ["y"]),
    path: fc.constantFrom("/tmp", "/etc"),
  })
  .map(({ name, roles, chain, target: [action, type, id], path, ...pay }): DecideRequest => {
    const { tags, ...rest } = pay;
    const args =
      id === "srv_1/pay"
        ? { ...rest, ...(tags === undefined ? {} : { tags }) }
        : type === "Tool"
          ? { path }
          : {};
    const principal = agent(
      name,
      roles,
      chain.map(([kind, each, has]) => identity(kind, each, has)),
    );
    return { principal, action, resource: { type, id }, context: { args } };
  });

/** Random scopes and conditions make policies that cannot match; those are refused by name, and left out. */
function compileMatching(texts: readonly string[]): PolicySet {
  let left = texts.map((text, at) => [`p${at}`, `@id("p${at}") ${text}`] as const);
  for (;;) {
    const compiled = compilePolicies({
      files: [{ path: "p", text: left.map(([, text]) => text).join("\n") }],
      catalog,
    });
    if (compiled.ok) return compiled.value;
    const refused = new Set(
      compiled.refusal.filter(({ severity }) => severity === "error").map(({ policy }) => policy),
    );
    const kept = left.filter(([id]) => !refused.has(id));
    if (kept.length === left.length) throw new Error(compiled.refusal.map(problemText).join("\n"));
    left = kept;
  }
}

describe("partitioned evaluation", { timeout: 120_000 }, () => {
  it("agrees with Cedar over all policies, on random policies and requests", () => {
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 12 }),
        fc.array(request, { minLength: 1, maxLength: 8 }),
        (texts, requests) => {
          const set = compileMatching(texts);
          for (const each of requests) expect(set.decide(each).effect).toBe(reference(set, each));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("is asked about policies that allow, deny and ask people", () => {
    // Of one seed, because a rare one may be missing among any hundred.
    const drawn = fc.sample(
      fc.tuple(
        fc.array(policy, { minLength: 1, maxLength: 12 }),
        fc.array(request, { minLength: 1, maxLength: 8 }),
      ),
      { seed: 1, numRuns: 100 },
    );
    const seen = drawn.flatMap(([texts, requests]) => {
      const set = compileMatching(texts);
      return requests.map((each) => set.decide(each).effect);
    });
    expect(new Set(seen)).toEqual(new Set(["allow", "deny", "approve"]));
  });

  it("never answers otherwise from its cache, and lists whatever it would allow", () => {
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 12 }),
        fc.array(request, { minLength: 2, maxLength: 12 }),
        (texts, requests) => {
          const set = compileMatching(texts);
          for (const each of [...requests, ...requests]) {
            const decision = set.decide(each);
            expect(decision).toEqual(set.trace(each).decision);
            if (decision.effect === "deny") continue;
            const { principal, action, resource } = each;
            if (action === "call") expect(set.mayList(principal, resource.id)).toBe(true);
            if (action === "read") expect(set.mayRead(principal, resource.id)).toBe(true);
            if (action === "get") expect(set.mayGet(principal, resource.id)).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives the same decisions after other tools came and went", () => {
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 10 }),
        fc.array(request, { minLength: 1, maxLength: 8 }),
        (texts, requests) => {
          const set = compileMatching(texts);
          const before = requests.map((each) => set.decide(each));
          const grown = set.withCatalog({
            ...catalog,
            servers: [...catalog.servers, { id: "srv_7", name: "extra" }],
            tools: [...catalog.tools, { id: "srv_7/x", serverId: "srv_7", inputSchema: { type: "object" } }],
          });
          expect(requests.map((each) => grown.decide(each))).toEqual(before);
          expect(requests.map((each) => grown.withCatalog(catalog).decide(each))).toEqual(before);
        },
      ),
      { numRuns: 20 },
    );
  });
});
