import { cpus } from "node:os";
import { isAuthorized, preparsePolicySet, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import type { Principal, PrincipalId, TenantId } from "../src/identity/index.ts";
import type { CatalogInput, PolicySet } from "../src/policy/index.ts";
import { compilePolicies, problemText } from "../src/policy/index.ts";

/**
 * What a policy decision costs: cached, uncached, with and without arguments, along a chain; and Cedar over all policies at
 * once, as the baseline. 1,000 policies over 100 tools: 990 about one tool each, 10 about all.
 */
const policies = 1_000;
const tools = 100;
const global = 10;
const rounds = 4_000;

const catalog: CatalogInput = {
  tenants: ["default"],
  roles: ["finance"],
  servers: [{ id: "srv_1", name: "bank" }],
  tools: Array.from({ length: tools }, (_, at) => ({
    id: `srv_1/tool_${at}`,
    serverId: "srv_1",
    inputSchema: {
      type: "object",
      properties: { amount: { type: "number" }, count: { type: "integer" }, to: { type: "string" } },
      required: ["amount", "count", "to"],
    },
  })),
};

/** `readsArgs` null = no policy reads arguments. */
function policyTexts(readsArgs: "integer" | "number" | null): readonly string[] {
  return Array.from({ length: policies }, (_, at) => {
    if (at < global) return `@id("global-${at}") permit(principal in Role::"role-${at}", action, resource);`;
    const tool = `Tool::"bank/tool_${at % tools}"`;
    const attribute = readsArgs === "number" ? "amount" : "count";
    const condition =
      readsArgs === null || at % 2 === 0 ? "" : ` when { context.args.${attribute} < ${at * 10} }`;
    return `@id("p-${at}") permit(principal == Agent::"agent/agt_${at % 7}", action == Action::"call", resource == ${tool})${condition};`;
  });
}

function compile(readsArgs: "integer" | "number" | null): PolicySet {
  const result = compilePolicies({
    files: [{ path: "bench.cedar", text: policyTexts(readsArgs).join("\n") }],
    catalog,
  });
  if (!result.ok) throw new Error(result.refusal.map(problemText).join("\n"));
  return result.value;
}

function principal(at: number, chain: Principal["chain"] = []): Principal {
  const id = `agent/agt_${at % 7}` as PrincipalId;
  return {
    id,
    kind: "agent",
    name: `agent-${at}`,
    roles: ["finance"],
    tenant: "default" as TenantId,
    chain,
    version: String(at),
  };
}

function measure(label: string, run: (round: number) => unknown, count = rounds): void {
  for (let round = 0; round < Math.min(count, 1_000); round++) run(-1 - round);
  const times: number[] = [];
  for (let round = 0; round < count; round++) {
    const started = performance.now();
    run(round);
    times.push((performance.now() - started) * 1_000);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(1).padStart(9);
  console.log(`${label.padEnd(58)} ${at(0.5)} ${at(0.99)}`);
}

/** One reading of the clock for many decisions: a cached one is too short to time alone. */
function measureBatch(label: string, run: (round: number) => unknown): void {
  const batch = 10_000;
  for (let round = 0; round < batch; round++) run(round);
  const times = Array.from({ length: 20 }, () => {
    const started = performance.now();
    for (let round = 0; round < batch; round++) run(round);
    return ((performance.now() - started) * 1_000) / batch;
  }).toSorted((a, b) => a - b);
  console.log(
    `${label.padEnd(58)} ${(times[10] ?? 0).toFixed(2).padStart(9)} ${(times[19] ?? 0).toFixed(2).padStart(9)}`,
  );
}

const ask = (set: PolicySet, who: Principal, at: number, amount = 5) =>
  set.decide({
    principal: who,
    action: "call",
    resource: { type: "Tool", id: `srv_1/tool_${Math.abs(at) % tools}` },
    context: { args: { amount, count: Math.trunc(amount), to: "acme" } },
  });

console.log(
  `${policies} policies, ${tools} tools, node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}`,
);
console.log(`${"µs per decision".padEnd(58)} ${"p50".padStart(9)} ${"p99".padStart(9)}`);

const plain = compile(null);
const integer = compile("integer");
const number = compile("number");
const someone = principal(1);
measureBatch("cached, partition reads no context", (round) => ask(plain, someone, round));
measureBatch("cached, partition reads an integer", (round) => ask(integer, someone, round, 5));
measureBatch("cached, partition reads a number", (round) => ask(number, someone, round, 5));
// A new version of the principal each time: nothing is remembered of it.
measure("uncached, partitioned, reads no context", (round) => ask(plain, principal(round + 20_000), round));
measure("uncached, partitioned, reads an integer", (round) => ask(integer, someone, round, round + 20_000));
measure("uncached, partitioned, reads a number", (round) => ask(number, someone, round, round + 20_000.5));
measure("uncached, partitioned, agent on behalf of a person", (round) => {
  const person = {
    id: "person/per_1" as PrincipalId,
    kind: "person",
    name: "alice",
    roles: ["finance"],
  } as const;
  return ask(plain, principal(round + 20_000, [person]), round);
});

const all = { staticPolicies: policyTexts("integer").join("\n").replaceAll("bank/", "srv_1/") };
preparsePolicySet("unpartitioned", all);
const question = (round: number) => ({
  principal: { type: "Agent", id: "agent/agt_1" },
  action: { type: "Action", id: "call" },
  resource: { type: "Tool", id: `srv_1/tool_${Math.abs(round) % tools}` },
  context: { args: { count: round } },
  entities: [],
});
measure(
  "baseline: Cedar, all policies, preparsed",
  (round) =>
    statefulIsAuthorized({
      ...question(round),
      preparsedPolicySetId: "unpartitioned",
      validateRequest: false,
    }),
  400,
);
measure(
  "baseline: Cedar, all policies, parsed each time",
  (round) => isAuthorized({ ...question(round), policies: all }),
  20,
);

const started = performance.now();
const compiledAgain = compile("number");
console.log(`compile and validate for ${tools} tools: ${(performance.now() - started).toFixed(0)} ms`);
const changed = performance.now();
const next = compiledAgain.withCatalog({
  ...catalog,
  tools: catalog.tools.map((tool, at) => (at === 0 ? { ...tool, inputSchema: { type: "object" } } : tool)),
});
console.log(`one tool changed: ${(performance.now() - changed).toFixed(2)} ms`);
ask(next, someone, 1);
