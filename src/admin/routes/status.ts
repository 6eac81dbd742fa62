import { elapsedMs, ok } from "../../base/index.ts";
import { systemTenant } from "../../identity/index.ts";
import { iso } from "../instant.ts";
import { route } from "../route.ts";
import { instant, object, text, whole } from "../../api/index.ts";

const number = { type: "number" } as const;

export const statusRoutes = [
  route({
    method: "GET",
    path: "/status",
    summary: "How this node and one's tenant are",
    action: "admin.status.show",
    kind: "read",
    answer: object({
      node: object({
        name: text,
        fence: whole,
        version: text,
        runtime: text,
        startedAt: instant,
        uptimeMs: number,
      }),
      tenant: text,
      store: object({
        waiting: { type: "integer", description: "transactions that wait for a flush" },
        waitingMax: whole,
        flushes: whole,
        transactions: whole,
        lastFlushMs: number,
      }),
      ledger: object({
        tailAgeMs: {
          type: "number",
          description: "age of the oldest entry without a receipt; above 10,000 is an alarm",
        },
        waitingTenants: whole,
        entries: { type: "integer", description: "sequenced by this node since it started" },
        failures: whole,
      }),
      calls: object({ underWay: whole }),
      review: {
        type: ["string", "null"],
        description: "why open work of the tenant waits for an operator: `/review`; null = it does not",
      },
      policies: object({
        digest: {
          type: ["string", "null"],
          description: "null = none was ever set: the built-in policies of the mode are in force",
        },
        isInForce: {
          type: "boolean",
          description: "false = the newest texts are broken and the last good ones hold",
        },
      }),
      counts: object({
        servers: object({ connecting: whole, healthy: whole, degraded: whole, down: whole, disabled: whole }),
        tools: object({ live: whole, quarantined: whole, gone: whole, hidden: whole }),
      }),
      installation: {
        type: ["object", "null"],
        description: "for people of the tenant `system`; null = not for you",
        properties: { tenants: whole, principals: whole, apiKeys: whole },
        required: ["tenants", "principals", "apiKeys"],
        additionalProperties: false,
      },
    }),
    handle: async ({ actor }, house) => {
      const { clock, identities, ledger, node, policies, registry, store } = house;
      const { tenant } = actor;
      const servers = { connecting: 0, healthy: 0, degraded: 0, down: 0, disabled: 0 };
      for (const { id, enabled } of registry.serversOf(tenant)) {
        servers[enabled ? registry.serverHealth(id).state : "disabled"]++;
      }
      const tools = { live: 0, quarantined: 0, gone: 0, hidden: registry.collisionsOf(tenant).length };
      for (const { state } of registry.toolsOf(tenant)) tools[state.kind]++;
      const { waiting, waitingMax, flushes, transactions, lastFlushMs } = store.stats();
      const { tailAgeMs, waitingTenants, entries, failures } = ledger.stats();
      const all = identities.stats();
      return ok({
        node: { ...node, startedAt: iso(node.startedAt), uptimeMs: elapsedMs(clock.wall(), node.startedAt) },
        tenant,
        store: { waiting, waitingMax, flushes, transactions, lastFlushMs },
        ledger: { tailAgeMs, waitingTenants, entries, failures },
        calls: { underWay: house.calls.callsUnderWay },
        review: ledger.review(tenant)?.detail ?? null,
        policies: {
          digest: registry.activePolicies(tenant)?.version.digest ?? null,
          isInForce: policies.trouble(tenant) === null,
        },
        counts: { servers, tools },
        installation:
          tenant === systemTenant
            ? { tenants: all.tenants, principals: all.principals, apiKeys: all.apiKeys }
            : null,
      });
    },
  }),
];
