import { applyFileSection } from "../../admin/index.ts";
import { watchPolicies } from "../policies/watched-policies.ts";
import type { PolicyFiles } from "../policies/policy-files.ts";
import type { Authority } from "./authority.ts";
import type { Data } from "./data.ts";
import type { Servers } from "./servers.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** Puts the operator's file in force: its servers, which are then connected, and its policies, which are followed. Null = it names none. */
export async function applyConfigured(
  site: Site,
  { store, node }: Data,
  { acts, tenants, nodeIn }: Trust,
  { registry, policies }: Authority,
  { catalogue, credentials }: Servers,
): Promise<PolicyFiles | null> {
  const { config, clock, log } = site.options;
  const { tenant } = config;
  const problems = await applyFileSection({
    registry,
    acts,
    lease: { store, clock, holder: node.holder },
    actor: nodeIn(tenant),
    section: { digest: config.serversDigest, servers: config.servers },
    limits: config.callerLimits,
  });
  for (const problem of problems) log.warn("something in the configuration file is not applied", { problem });
  for (const each of tenants()) await credentials.sweep(each, (id) => registry.server(id) !== null);
  catalogue.start();
  site.shutdown.add("closing the catalogue", () => catalogue.stop());
  const watched = await watchPolicies({
    clock,
    log,
    desk: policies,
    registry,
    acts,
    actor: () => nodeIn(tenant),
    tenant,
    patterns: config.policies.files,
  });
  site.shutdown.add("leaving the policy files", () => watched?.stop());
  return watched;
}
