import type { TenantId } from "../identity/index.ts";
import { compilePolicies } from "../policy/index.ts";
import type { PolicySet } from "../policy/index.ts";
import type { Registry } from "../registry/index.ts";

/**
 *  asks        people are asked about some calls
 *  asks anew   the same, in other words: what was approved before is another intent now
 *  trusts      nobody is asked any more
 */
export const policyVariants = ["asks", "asks anew", "trusts"] as const;
export type PolicyVariant = (typeof policyVariants)[number];

/** Labels that begin so are asked about. The times are short, so that they pass now and then. */
export const askRules = {
  one: [{ group: "finance", quorum: 1, escalation: [] }],
  two: [{ group: "finance", quorum: 2, escalation: [{ group: "managers", afterMs: 10_000 }] }],
  both: [
    { group: "finance", quorum: 1, escalation: [] },
    { group: "managers", quorum: 1, escalation: [] },
  ],
} as const;
export type AskedAs = keyof typeof askRules;

const asking = `
@id("one") @approve("group=finance expiry=90s") forbid(principal, action == Action::"call", resource)
  when { context.args has label && context.args.label like "one *" };
@id("two") @approve("group=finance quorum=2 expiry=60s escalate=managers:10s") forbid(principal, action == Action::"call", resource)
  when { context.args has label && context.args.label like "two *" };
@id("both-1") @approve("group=finance expiry=60s") forbid(principal, action == Action::"call", resource)
  when { context.args has label && context.args.label like "both *" };
@id("both-2") @approve("group=managers expiry=90s") forbid(principal, action == Action::"call", resource)
  when { context.args has label && context.args.label like "both *" };`;

/** To one agent not everything is allowed, so that policy refuses some steps. */
const denying = `forbid(principal == Agent::"agent/a0", action == Action::"call", resource)
  when { context.args has label && context.args.label like "*denied*" };`;

const texts: Readonly<Record<PolicyVariant, string>> = {
  asks: `permit(principal, action, resource); ${denying} ${asking}`,
  "asks anew": `permit(principal, action, resource) when { true }; ${denying} ${asking}`,
  trusts: `permit(principal, action, resource); ${denying}`,
};

export type Policies = Readonly<Record<PolicyVariant, PolicySet>>;

const compiled = new Map<string, Policies>();

export function policiesFor(
  registry: Registry,
  tenants: readonly TenantId[],
  inputSchema: Readonly<Record<string, unknown>>,
): Policies {
  const servers = tenants.flatMap((tenant) =>
    registry.serversOf(tenant).map(({ id, name }) => ({ id, name })),
  );
  const tools = tenants.flatMap((tenant) =>
    registry.toolsOf(tenant).map((tool) => ({ id: tool.id, serverId: tool.server.id, inputSchema })),
  );
  const catalog = { tenants: [...tenants], roles: [], servers, tools };
  const key = JSON.stringify(catalog);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const compile = (text: string): PolicySet => {
    const result = compilePolicies({ files: [{ path: "sim.cedar", text }], catalog });
    if (!result.ok) throw new Error(JSON.stringify(result.refusal));
    return result.value;
  };
  const sets = {
    asks: compile(texts.asks),
    "asks anew": compile(texts["asks anew"]),
    trusts: compile(texts.trusts),
  };
  if (compiled.size >= 16) compiled.clear();
  compiled.set(key, sets);
  return sets;
}
