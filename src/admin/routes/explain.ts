import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Principal, PrincipalId, PrincipalKind } from "../../identity/index.ts";
import type { PolicyAction, PolicyResource } from "../../policy/index.ts";
import { explainDecision } from "../../policy/index.ts";
import type { House } from "../house.ts";
import { route } from "../route.ts";
import { digest, listOf, mapOf, object, objectWith, text, textOrNull } from "../../api/index.ts";
import { promptId, resourceId } from "./policy-entity.ts";
import { toolNamed } from "./tools.ts";

export const explainRoute = route({
  method: "POST",
  path: "/policies/explain",
  summary: "Say what policy would decide about a call, and why",
  notes:
    "Nothing is called and nothing recorded. Name one of `tool`, `resource` and `prompt`; with `action` `admin.…` none.",
  action: "admin.policy.explain",
  kind: "read",
  body: objectWith(["principal"], {
    principal: { type: "string", description: "id, or name together with `kind`" },
    kind: { enum: ["agent", "person", "service"], description: "default: agent" },
    action: {
      type: "string",
      pattern: "^(call|read|get|complete|subscribe|admin\\.[a-z-]+\\.[a-z-]+)$",
      description:
        "default: `call` of a tool, `read` of a resource, `get` of a prompt; else `subscribe`, `complete` or `admin.<noun>.<verb>`",
    },
    tool: { type: "string", description: "exposed name, or <server>/<upstream name>" },
    resource: { type: "string", description: "URI or URI template, or <server>/<URI>" },
    prompt: { type: "string", description: "exposed name, or <server>/<upstream name>" },
    arguments: { type: "object", description: "what the tool would be called with" },
  }),
  example: { principal: "invoicer", tool: "files__read_file", arguments: { path: "/tmp/a" } },
  answer: object({
    effect: { enum: ["allow", "deny", "approve"] },
    why: text,
    reasons: {
      ...listOf(
        object({ id: text, text, description: { ...textOrNull, description: "its `@description`" } }),
      ),
      description: "the policies that decided",
    },
    errors: listOf(text),
    approvals: listOf(
      object({
        policyId: text,
        group: text,
        quorum: { type: "integer" },
        expiryMs: { type: "integer" },
        self: {
          type: ["boolean", "null"],
          description: "whether one's own approval counts; null = as the node's mode has it",
        },
        endorse: {
          ...listOf(text),
          description: "places in the arguments whose values a yes endorses for its run",
        },
        escalation: listOf(object({ group: text, afterMs: { type: "integer" } })),
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
    const asked = askedAbout(house, actor, body);
    if (!asked.ok) return asked;
    const { action, resource } = asked.value;
    const { decision, policies, reads } = explainDecision(house.policies.current(actor.tenant), {
      principal: principal.value,
      action,
      resource,
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

interface Asked {
  readonly action: PolicyAction;
  readonly resource: PolicyResource;
}

/** What can be done with each; the first is meant when no action is named. */
const actions = {
  tool: ["call"],
  resource: ["read", "subscribe", "complete"],
  prompt: ["get", "complete"],
} as const satisfies Record<string, readonly PolicyAction[]>;

function askedAbout(
  house: House,
  actor: Principal,
  body: {
    readonly action?: string;
    readonly tool?: string;
    readonly resource?: string;
    readonly prompt?: string;
  },
): Result<Asked> {
  const named = (["tool", "resource", "prompt"] as const).filter((kind) => body[kind] !== undefined);
  const [kind, another] = named;
  if (body.action?.startsWith("admin.") === true && kind === undefined) {
    const action = body.action as PolicyAction; // the pattern above
    return ok({ action, resource: { type: "Tenant", id: actor.tenant } });
  }
  if (kind === undefined || another !== undefined) {
    return invalid('Name one of "tool", "resource" and "prompt", or an administrative action.');
  }
  const reference = body[kind] ?? "";
  const action = actions[kind].find((each) => each === (body.action ?? actions[kind][0]));
  if (action === undefined) return invalid(`The action "${body.action}" is not about a ${kind}.`);
  switch (kind) {
    case "tool": {
      const found = toolNamed(house, actor, reference);
      return found.ok ? ok({ action, resource: { type: "Tool", id: found.value.tool.id } }) : found;
    }
    case "resource": {
      const id = resourceId(house, actor, reference);
      return id === null ? missing(kind) : ok({ action, resource: { type: "Resource", id } });
    }
    case "prompt": {
      const id = promptId(house, actor, reference);
      return id === null ? missing(kind) : ok({ action, resource: { type: "Prompt", id } });
    }
  }
}

const invalid = (detail: string): Result<never> => refuse({ code: "invalid-params", detail });

const missing = (what: string): Result<never> =>
  refuse({
    code: "not-found",
    detail: `No server is known to have this ${what}. Write <server>/… to ask about it all the same.`,
  });
