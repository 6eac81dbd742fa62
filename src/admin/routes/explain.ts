import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal, PrincipalId, PrincipalKind } from "../../identity/index.ts";
import type { PolicyAction } from "../../policy/index.ts";
import { explainDecision } from "../../policy/index.ts";
import type { House } from "../house.ts";
import { route } from "../route.ts";
import { digest, listOf, mapOf, object, objectWith, text } from "../schema.ts";
import { toolNamed } from "./tools.ts";

export const explainRoute = route({
  method: "POST",
  path: "/policies/explain",
  summary: "Say what policy would decide about a call, and why",
  notes: "Nothing is called and nothing recorded. With `action` `admin.…` leave the tool out.",
  action: "admin.policy.explain",
  kind: "read",
  body: objectWith(["principal"], {
    principal: { type: "string", description: "id, or name together with `kind`" },
    kind: { enum: ["agent", "person", "service"], description: "default: agent" },
    action: {
      type: "string",
      pattern: "^(call|admin\\.[a-z-]+\\.[a-z-]+)$",
      description: "`call` (the default) or `admin.<noun>.<verb>`",
    },
    tool: { type: "string", description: "exposed name, or <server>/<upstream name>" },
    arguments: { type: "object", description: "what the tool would be called with" },
  }),
  example: { principal: "invoicer", tool: "files__read_file", arguments: { path: "/tmp/a" } },
  answer: object({
    effect: { enum: ["allow", "deny", "approve"] },
    why: text,
    reasons: { ...listOf(object({ id: text, text })), description: "the policies that decided" },
    errors: listOf(text),
    approvals: listOf(
      object({
        policyId: text,
        group: text,
        quorum: { type: "integer" },
        expiryMs: { type: "integer" },
        self: { type: "boolean" },
      }),
    ),
    obligations: mapOf(listOf(text)),
    partition: digest,
    policies: {
      ...listOf(
        object({
          id: text,
          file: text,
          line: { type: "integer" },
          effect: { enum: ["permit", "forbid"] },
          approve: { type: "boolean" },
          text,
          findings: listOf(
            object({
              principal: text,
              finding: { enum: ["matched", "condition-false", "other-principal", "error", "not-asked"] },
            }),
          ),
        }),
      ),
      description: "all that could have had a say, and what each said",
    },
    reads: { ...listOf(text), description: "what of the context they read" },
  }),
  handle: async ({ actor, body }, house) => {
    const principal = principalNamed(house, actor, body.kind ?? "agent", body.principal);
    if (!principal.ok) return principal;
    const action = (body.action ?? "call") as PolicyAction; // the pattern above
    const resource = resourceOf(house, actor, action, body.tool);
    if (!resource.ok) return resource;
    const { decision, policies, reads } = explainDecision(house.policies.current(actor.tenant), {
      principal: principal.value,
      action,
      resource: resource.value,
      context: body.arguments === undefined ? {} : { args: body.arguments },
    });
    const { effect, why, reasons, errors, approvals, obligations, partition } = decision;
    return ok({ effect, why, reasons, errors, approvals, obligations, partition, policies, reads });
  },
});

function principalNamed(
  house: House,
  actor: Principal,
  kind: PrincipalKind,
  reference: string,
): Result<Principal> {
  if (reference.includes("/")) return house.identities.recorded(actor.tenant, reference as PrincipalId); // looked up
  const found = house.identities.find(actor, kind, reference);
  return found.ok ? house.identities.recorded(actor.tenant, found.value.id) : found;
}

function resourceOf(
  house: House,
  actor: Principal,
  action: PolicyAction,
  tool: string | undefined,
): Result<{ readonly type: "Tenant" | "Tool"; readonly id: string }> {
  if (action !== "call") return ok({ type: "Tenant", id: actor.tenant });
  if (tool === undefined)
    return refuse({ code: "invalid-params", detail: '"tool" is missing from the body.' });
  const found = toolNamed(house, actor, tool);
  return found.ok ? ok({ type: "Tool", id: found.value.tool.id }) : found;
}
