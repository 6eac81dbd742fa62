import { Admin } from "../../admin/index.ts";
import { allTables } from "../data/all-tables.ts";
import { nodeLeaseMs } from "../data/node-lease.ts";
import { version } from "../version.ts";
import type { Parts } from "./parts.ts";
import type { Site } from "./site.ts";

/** The administrators' side; the edge brings it its requests. */
export function openApi(site: Site, parts: Parts): Admin {
  const { store, node } = parts.data;
  const { keys, identities, ledger, vault } = parts.trust;
  const { registry, policies } = parts.authority;
  const { line, approvals } = parts.calls;
  const { runs, hosting } = parts.runs;
  const { config, clock, random } = site.options;
  const { onTrouble } = site;
  const admin = new Admin({
    clock,
    random,
    store,
    keys,
    identities,
    ledger,
    registry,
    vault,
    approvals,
    policies,
    policiesComeFromFile: (tenant) => tenant === config.tenant && config.policies.files.length > 0,
    upstreams: parts.servers.upstreams,
    calls: line,
    runs,
    hosting,
    node: { ...node, startedAt: clock.wall(), version, runtime: `node ${process.versions.node}` },
    ownUrl: () => site.ownUrl(),
    publicUrl: config.listen.publicUrl,
    leaseMs: nodeLeaseMs,
    tables: allTables,
    onTrouble,
  });
  admin.start();
  site.shutdown.add("closing the API", () => admin.stop());
  return admin;
}
