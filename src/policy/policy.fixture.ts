import type { Identity, Principal, PrincipalId, PrincipalKind, TenantId } from "../identity/index.ts";
import type { CatalogInput } from "./catalog.ts";
import { compilePolicies } from "./compile.ts";
import type { Decision } from "./decision.ts";
import type { PolicySet } from "./policy-set.ts";
import { problemText } from "./problem.ts";
import type { DecideRequest } from "./request.ts";

/** What the tests of this room share: a bank and a file server, and short ways to ask. */
export const catalog: CatalogInput = {
  tenants: ["default"],
  roles: ["admin", "finance", "reader"],
  servers: [
    { id: "srv_1", name: "bank" },
    { id: "srv_2", name: "files" },
  ],
  tools: [
    {
      id: "srv_1/pay",
      serverId: "srv_1",
      inputSchema: {
        type: "object",
        properties: {
          amount: { type: "number" },
          count: { type: "integer" },
          to: { type: "string" },
          urgent: { type: "boolean" },
          tags: { type: "array", items: { type: "string" } },
          prices: { type: "array", items: { type: "number" } },
          limit: { anyOf: [{ type: "number" }, { type: "null" }] },
          either: { type: ["string", "integer"] },
          account: {
            type: "object",
            properties: { country: { type: "string" }, either: { type: ["string", "integer"] } },
            required: ["country"],
          },
        },
        required: ["amount", "count", "to"],
      },
    },
    {
      id: "srv_2/read_file",
      serverId: "srv_2",
      class: "read",
      inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    },
    {
      id: "srv_2/delete_file",
      serverId: "srv_2",
      inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    },
  ],
};

export function compiled(text: string, over: CatalogInput = catalog): PolicySet {
  const result = compilePolicies({ files: [{ path: "test.cedar", text }], catalog: over });
  if (!result.ok) throw new Error(result.refusal.map(problemText).join("\n"));
  return result.value;
}

/** The problems of refused text; fails when it is accepted. */
export function refusedFor(text: string, over: CatalogInput = catalog): readonly string[] {
  const result = compilePolicies({ files: [{ path: "test.cedar", text }], catalog: over });
  if (result.ok) throw new Error("the policies were accepted");
  return result.refusal.map(problemText);
}

export function identity(kind: PrincipalKind, name: string, roles: readonly string[] = []): Identity {
  return { id: `${kind}/${kind.slice(0, 3)}_${name}` as PrincipalId, kind, name, roles };
}

export function agent(
  name: string,
  roles: readonly string[] = [],
  chain: readonly Identity[] = [],
): Principal {
  return { ...identity("agent", name, roles), tenant: "default" as TenantId, chain, version: "1" };
}

export function call(
  tool: string,
  args: Readonly<Record<string, unknown>> = {},
  principal: Principal = agent("invoicer"),
): DecideRequest {
  return { principal, action: "call", resource: { type: "Tool", id: tool }, context: { args } };
}

/** Decides for the payment tool with these arguments over harmless ones. */
export function pay(
  set: PolicySet,
  args: Readonly<Record<string, unknown>>,
  principal: Principal = agent("invoicer"),
): Decision {
  return set.decide(call("srv_1/pay", { amount: 1, count: 1, to: "x", ...args }, principal));
}
