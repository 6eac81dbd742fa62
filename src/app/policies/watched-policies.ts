import type { Acts } from "../../admin/index.ts";
import type { Clock } from "../../base/index.ts";
import { Fault } from "../../base/index.ts";
import type { Principal, TenantId } from "../../identity/index.ts";
import { systemTenant } from "../../identity/index.ts";
import type { PolicySource, Registry } from "../../registry/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { PolicyDesk } from "./policy-desk.ts";
import { PolicyFiles } from "./policy-files.ts";

export interface WatchedPolicies {
  readonly clock: Clock;
  readonly log: Log;
  readonly desk: PolicyDesk;
  readonly registry: Registry;
  readonly acts: Acts;
  /** In whose name the files' policies are put in force: a node's, of their tenant. */
  readonly actor: () => Principal;
  /** Of the configuration. */
  readonly tenant: TenantId;
  readonly patterns: readonly string[];
}

/** Keeps the policies of the configured files in force. null = it names none. */
export async function watchPolicies(watched: WatchedPolicies): Promise<PolicyFiles | null> {
  const { clock, log, desk, registry, acts, actor, tenant, patterns } = watched;
  desk.current(tenant);
  if (patterns.length === 0) return null;
  const files = new PolicyFiles({
    clock,
    patterns,
    onTrouble: (reason) => log.error("the policy files cannot be taken, the last good ones stay", { reason }),
    onChange: async (sources: readonly PolicySource[]) => {
      const compiled = desk.compile(
        tenant,
        sources.map(({ name, text }) => ({ path: name, text })),
      );
      if (!compiled.ok) return desk.refuse(tenant, compiled.refusal);
      await putPolicies(registry, acts, actor(), sources);
      desk.reload(tenant);
    },
  });
  await files.start();
  return files;
}

/** Each loses only to another node that starts with these files. */
const putTriesMax = 10;

async function putPolicies(
  registry: Registry,
  acts: Acts,
  actor: Principal,
  sources: readonly PolicySource[],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const put = await registry.putPolicies(actor.tenant, sources);
    if (!put.ok) throw new Fault("config-invalid", put.refusal.detail);
    if (put.value.writes.length === 0) return;
    const act = { actor, action: "admin.policy.set", decision: null };
    const done = await acts.perform(act, put.value.value.digest, put.value, {
      files: sources.map(({ name }) => name),
    });
    if (done.ok) return;
    // Another node has put the same files in force, or others; then these are newer.
    if (done.refusal.code !== "conflict" || tries === putTriesMax)
      throw new Fault(done.refusal.code, done.refusal.detail);
    await registry.catchUp();
  }
}

/** What is wrong with the newest policies: others are in force. */
export function policyTrouble(
  policies: PolicyDesk,
  files: PolicyFiles | null,
  tenants: readonly TenantId[],
): readonly string[] {
  const refused = tenants.filter((tenant) => tenant !== systemTenant && policies.trouble(tenant) !== null);
  return [
    ...refused.map((tenant) => `the newest policies of tenant ${tenant} were refused`),
    ...((files?.trouble ?? null) === null ? [] : ["the newest policy files could not be taken"]),
  ];
}
