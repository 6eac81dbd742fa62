import { CredentialKeeper } from "../../admin/index.ts";
import { Upstreams } from "../../upstream/index.ts";
import { CatalogueSync } from "./catalogue-sync.ts";
import { serversDirectory } from "../data/data-directory.ts";
import { version } from "../version.ts";
import type { Authority } from "./authority.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** The connections to servers, and what is learnt over them. Nothing is connected yet: `catalogue.start()` does that. */
export interface Servers {
  readonly upstreams: Upstreams;
  readonly catalogue: CatalogueSync;
  readonly credentials: CredentialKeeper;
}

export function openServers(site: Site, trust: Trust, { registry }: Authority): Servers {
  const { mode, config, clock, random, log, environment, upstreamLimits } = site.options;
  const { net, identities, acts, vault, tenants } = trust;
  const credentials = new CredentialKeeper({ vault, identities, acts });
  const upstreams: Upstreams = new Upstreams({
    clock,
    random,
    net,
    reveal: (tenant, name) => vault.reveal(tenant, name),
    // An operator's file and a developer's machine may lead to private addresses; what comes in through the API of a
    // production node may not.
    allowedFor: (server) => (mode !== "serve" || server.origin === "file" ? ["loopback", "private"] : []),
    credentials,
    environment: environment.variables,
    workingDirectory: serversDirectory(config.data.directory),
    clientVersion: version,
    limits: { processesMax: config.limits.processesMax, ...upstreamLimits },
    onEvent: (event) => catalogue.onEvent(event),
  });
  const catalogue = new CatalogueSync({ clock, registry, upstreams, identities, acts, log, tenants });
  upstreams.start();
  site.shutdown.add("ending the connections to servers", () => upstreams.stop());
  return { upstreams, catalogue, credentials };
}
