import { adminActions } from "../../admin/index.ts";
import { devPolicies, servePolicies } from "../../policy/index.ts";
import { Registry } from "../../registry/index.ts";
import { PolicyDesk } from "../policies/policy-desk.ts";
import type { Data } from "./data.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** What there is to be called, and who may. */
export interface Authority {
  readonly registry: Registry;
  readonly policies: PolicyDesk;
}

export async function openAuthority(site: Site, { store }: Data, { tenants }: Trust): Promise<Authority> {
  const { mode, config, clock, random, log } = site.options;
  const { onForgotten, shutdown } = site;
  const registry = new Registry({ store, clock, random, unprefixed: mode === "proxy", onForgotten });
  await registry.start();
  shutdown.add("closing the registry", () => registry.stop());
  const policies = new PolicyDesk({
    registry,
    log,
    tenants,
    adminActions,
    // Whoever names policy files means them: until one of them was good, nothing is permitted in `dev` either.
    fallback: mode === "serve" || config.policies.files.length > 0 ? servePolicies : devPolicies,
  });
  shutdown.add("closing the policies", policies.start());
  registry.onPoliciesFollowed((tenant) => policies.reload(tenant));
  return { registry, policies };
}
