import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { Identity, Principal, PrincipalId, TenantId } from "../identity/index.ts";
import type { Decision } from "./decision.ts";
import type { CatalogInput } from "./catalog.ts";
import type { PolicySet } from "./policy-set.ts";
import type { DecideRequest, PolicyAction, PolicyResource, RunContext } from "./request.ts";
import type { PolicyTest, PolicyTestFile, TestIdentity, TestRun } from "./test-file.ts";
import { parsePolicyTests } from "./test-file.ts";

export interface PolicyTestResult {
  readonly name: string;
  readonly passed: boolean;
  /** What was wrong, in one line; null = passed. */
  readonly failure: string | null;
  /** null = it could not be asked. */
  readonly decision: Decision | null;
}

export interface PolicyTestReport {
  readonly passed: number;
  readonly failed: number;
  readonly results: readonly PolicyTestResult[];
}

/** Runs the tests in `data` (parsed YAML or JSON). A refusal lists what is wrong with the file itself. */
export function testPolicies(set: PolicySet, data: unknown): Result<PolicyTestReport, readonly string[]> {
  const file = parsePolicyTests(data);
  if (!file.ok) return refuse(file.refusal);
  const catalog = testCatalogInput(file.value, set);
  const asked = catalog === null ? set : set.withCatalog(catalog);
  const results = file.value.tests.map((test) => runTest(asked, test));
  const passed = results.filter((result) => result.passed).length;
  return ok({ passed, failed: results.length - passed, results });
}

/**
 * The catalog a test file brings with it: its servers' names serve as their ids. null = it brings none. `policy test` also
 * compiles the policies over it, so that they are checked against these tools.
 */
export function testCatalogInput({ catalog }: PolicyTestFile, set: PolicySet): CatalogInput | null {
  if (catalog === null) return null;
  return {
    tenants: [...set.catalog.tenants],
    roles: catalog.roles,
    servers: catalog.servers.map(({ name }) => ({ id: name, name })),
    tools: catalog.servers.flatMap(({ name: server, tools }) =>
      tools.map((tool) => ({
        id: `${server}/${tool.name}`,
        serverId: server,
        inputSchema: tool.inputSchema,
        class: tool.class,
      })),
    ),
  };
}

function runTest(set: PolicySet, test: PolicyTest): PolicyTestResult {
  const { name } = test;
  const request = requestFor(set, test);
  if (!request.ok) return { name, passed: false, failure: request.refusal, decision: null };
  const decision = set.decide(request.value);
  const reasons = decision.reasons.map(({ id }) => id);
  const missing = test.because.filter((id) => !reasons.includes(id));
  if (decision.effect !== test.expect) {
    const failure = `expected ${test.expect}, got ${decision.effect}: ${decision.why}`;
    return { name, passed: false, failure, decision };
  }
  if (missing.length > 0) {
    const decided = reasons.length === 0 ? "no policy" : reasons.join(", ");
    return { name, passed: false, failure: `${missing.join(", ")} did not decide: ${decided} did`, decision };
  }
  return { name, passed: true, failure: null, decision };
}

function requestFor(set: PolicySet, test: PolicyTest): Result<DecideRequest, string> {
  const tenant = ([...set.catalog.tenants][0] ?? "default") as TenantId;
  const identity = identityOf(test.as);
  const principal: Principal = { ...identity, tenant, chain: test.chain.map(identityOf), version: "test" };
  const target = targetOf(set, test, tenant);
  if (!target.ok) return target;
  const run = test.run === null ? {} : { run: runOf(set, test.run, principal.id) };
  return ok({ principal, ...target.value, context: { args: test.args, ...run } });
}

function targetOf(
  set: PolicySet,
  { verb, target }: PolicyTest,
  tenant: string,
): Result<{ readonly action: PolicyAction; readonly resource: PolicyResource }, string> {
  if (verb === "admin") {
    if (!/^admin\.[^.]+\.[^.]+$/.test(target)) return refuse(`"${target}" is not admin.<noun>.<verb>`);
    return ok({ action: target as PolicyAction, resource: { type: "Tenant", id: tenant } });
  }
  const id = set.toolId(target);
  if (id === null) return refuse(`"${target}" names no known server; write <server>/<name>`);
  switch (verb) {
    case "call":
      if (!set.catalog.tools.has(id)) return refuse(`there is no tool "${target}"`);
      return ok({ action: verb, resource: { type: "Tool", id } });
    case "read":
    case "subscribe":
      return ok({ action: verb, resource: { type: "Resource", id } });
    case "get":
      return ok({ action: verb, resource: { type: "Prompt", id } });
    case "complete":
      // Arguments of a prompt or of a URI template; names of prompts that look like URIs are not worth a word of their own.
      return ok({ action: verb, resource: { type: id.includes("://") ? "Resource" : "Prompt", id } });
  }
}

function identityOf({ kind, name, roles }: TestIdentity): Identity {
  const id = (name.includes("/") ? name : `${kind}/${name}`) as PrincipalId;
  return { id, kind, name, roles: roles.toSorted() };
}

function runOf(set: PolicySet, run: TestRun, actor: PrincipalId): RunContext {
  return {
    name: run.name,
    owner: (run.owner ?? actor) as PrincipalId,
    labels: run.labels,
    tools: run.tools?.map((reference) => set.toolId(reference) ?? reference) ?? null,
  };
}
