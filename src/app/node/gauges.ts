import type { CallLine } from "../../calls/index.ts";
import type { Gate } from "../../dispatch/index.ts";
import type { TenantId } from "../../identity/index.ts";
import type { Ledger } from "../../ledger/index.ts";
import type { Health, Registry } from "../../registry/index.ts";
import { probeOf } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import type { Log, Metrics } from "../../telemetry/index.ts";
import type { NodeLease } from "../data/node-lease.ts";
import type { PolicyDesk } from "../policies/policy-desk.ts";
import type { TenantCount } from "./tenant-count.ts";
import type { WaitingCounts } from "./waiting-counts.ts";

/** What is read from its owner at each scrape. */
export function registerGauges(rooms: {
  readonly metrics: Metrics;
  readonly store: Store;
  readonly lease: NodeLease;
  readonly ledger: Ledger;
  readonly registry: Registry;
  readonly tenants: () => readonly TenantId[];
  readonly log: Log;
  readonly gate: Gate;
  readonly line: CallLine;
  readonly policies: PolicyDesk;
  readonly waiting: WaitingCounts;
}): void {
  const { metrics, store, lease, ledger, registry, tenants, log, gate, line, policies, waiting } = rooms;
  const perTenant = (count: TenantCount) =>
    [...count.current()].map(([tenant, value]) => ({ labels: { tenant }, value }));
  const one = (value: number) => [{ labels: {}, value }];
  metrics.gauge("storeQueue", () => one(store.stats().waiting));
  metrics.gauge("leaseAgeSeconds", () => one(lease.ageMs / 1000));
  metrics.gauge("storeFlushes", () => one(store.stats().flushes));
  metrics.gauge("ledgerTailAgeSeconds", () => [
    { labels: { tenant: "all" }, value: ledger.stats().tailAgeMs / 1000 },
  ]);
  metrics.gauge("witnessBehindSeconds", () => {
    const byWitness = Map.groupBy(ledger.witnesses(), ({ witness }) => witness);
    return [...byWitness].map(([witness, logs]) => ({
      labels: { witness },
      value: Math.max(...logs.map(({ behindMs }) => behindMs)) / 1000,
    }));
  });
  metrics.gauge("witnessLogs", () => {
    const standings = Map.groupBy(ledger.witnesses(), ({ witness, state }) => `${witness} ${state}`);
    return [...standings.values()].map((logs) => {
      const { witness = "", state = "" } = logs[0] ?? {};
      return { labels: { witness, state }, value: logs.length };
    });
  });
  metrics.gauge("storeTransactions", () => one(store.stats().transactions));
  metrics.gauge("storeFlushSeconds", () => one(store.stats().lastFlushMs / 1000));
  metrics.gauge("callsUnderWay", () => one(line.callsUnderWay));
  metrics.gauge("queueAgeSeconds", () => one(gate.oldestWaitMs / 1000));
  metrics.gauge("callsWaiting", () => one(gate.waiting));
  metrics.gauge("unknownCalls", () => perTenant(waiting.unknownCalls));
  metrics.gauge("deadRuns", () => perTenant(waiting.deadRuns));
  metrics.gauge("runsInReview", () => perTenant(waiting.runsInReview));
  metrics.gauge("policyLoaded", () =>
    tenants().map((tenant) => ({ labels: { tenant }, value: policies.trouble(tenant) === null ? 1 : 0 })),
  );
  metrics.gauge("serverInflight", () =>
    tenants().flatMap((tenant) =>
      registry
        .serversOf(tenant)
        .map((server) => ({ labels: { server: server.name }, value: gate.insideOf(server.id) })),
    ),
  );
  metrics.gauge("serverHealth", () =>
    tenants().flatMap((tenant) =>
      registry.serversOf(tenant).map((server) => {
        return { labels: { server: server.name, ...labelsOf(registry.serverHealth(server.id)) }, value: 1 };
      }),
    ),
  );
  metrics.gauge("toolHealth", () =>
    tenants().flatMap((tenant) =>
      registry
        .toolsOf(tenant)
        .filter((tool) => probeOf(tool.class) !== null)
        .map((tool) => ({
          labels: { tool: tool.exposedName, ...labelsOf(registry.ownHealthOf(tool)) },
          value: 1,
        })),
    ),
  );
  metrics.counter("logLinesDropped", () => log.stats().linesDropped);
}

/** null = nothing is known against it. */
const labelsOf = (health: Health | null): { readonly state: string; readonly cause: string } => ({
  state: health?.state ?? "healthy",
  cause: health?.state === "degraded" || health?.state === "down" ? health.cause : "none",
});
