import type { Admin } from "../../admin/index.ts";
import { Edge } from "../../edge/index.ts";
import { defaultTenant } from "../../identity/index.ts";
import { ClientDocuments, SignIn } from "../../signin/index.ts";
import { clientMetadataDocument } from "../../upstream/index.ts";
import { ParamHeaders } from "./param-headers.ts";
import type { PolicyFiles } from "../policies/policy-files.ts";
import { sessionSealing } from "./session-sealing.ts";
import { version } from "../version.ts";
import { policyTrouble } from "../policies/watched-policies.ts";
import type { Data } from "./data.ts";
import type { Parts } from "./parts.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** What the door asks about the node as a whole. */
export interface Standing {
  /** Why the node takes no calls yet, or no more. */
  readonly notReady: () => readonly string[];
  readonly policyFiles: PolicyFiles | null;
}

/** Listens. Everything that a request can reach is open by then. */
export async function openDoor(
  site: Site,
  { data, trust, authority, calls, runs }: Parts,
  admin: Admin,
  standing: Standing,
): Promise<{ readonly edge: Edge; readonly url: string }> {
  const { mode, config, clock, random, log, metrics } = site.options;
  const { isShared, lease, doubt } = data;
  const { keys, identities, tenants, nodeIn } = trust;
  const { registry, policies } = authority;
  const { listen, limits } = config;
  const roles = new Set(config.node.roles);
  const storeTrouble = () =>
    lease.isUnrenewed ? ["the store takes no writes: calls are refused until it does"] : [];
  const paramHeaders = new ParamHeaders();
  const edge = new Edge({
    clock,
    random,
    log,
    metrics,
    calls: calls.line,
    holderOf: (token) => identities.holderOf(token),
    anonymousPrincipal: mode === "proxy" ? nodeIn(defaultTenant) : null,
    ...listen,
    serverInfo: { name: "signalbox", title: "Signalbox", version },
    instructions: null,
    // Where nobody needs a token there is nothing to sign in to.
    signIn: listen.signIn && mode !== "proxy" && roles.has("edge") ? signInOf(site, data, trust) : null,
    readiness: () => ({
      // On shared data others may be well and get what comes; where there are none, a refusal that says why beats a balancer's.
      notReady: [...standing.notReady(), ...(isShared ? storeTrouble() : [])],
      degraded: [
        ...(isShared ? [] : storeTrouble()),
        ...policyTrouble(policies, standing.policyFiles, tenants()),
        ...(doubt.isOn ? ["the database has become another: effects wait until all nodes have looked"] : []),
      ],
    }),
    jwks: () => JSON.stringify(identities.jwks()),
    metricsNeedToken: mode === "serve",
    api: roles.has("console") ? (request, response) => admin.handle(request, response) : null,
    servesAgents: roles.has("edge"),
    runs: runs.runs,
    home: null,
    oauthCallback: (request, response) => admin.callback.handle(request, response),
    clientMetadata: listen.publicUrl === null ? null : clientMetadataDocument(listen.publicUrl),
    sessionSealing: await sessionSealing(keys),
    answersElsewhere: calls.letters,
    paramHeaders: (principal, name) => {
      const tool = registry.toolNamed(principal.tenant, name);
      return tool === null ? null : paramHeaders.of(tool);
    },
    bounds: { bodyBytesMax: limits.bodyBytesMax, connectionsMax: limits.connectionsMax },
  });
  site.ownUrl = () => edge.url;
  const { url } = await edge.start();
  site.shutdown.add(
    "telling clients of changed lists",
    registry.onListChanged((tenant, kinds) => edge.listChanged(tenant, kinds)),
  );
  site.shutdown.add(
    "telling clients of changed policies",
    policies.onReload((tenant) => edge.listChanged(tenant, ["tools", "resources", "prompts"])),
  );
  return { edge, url };
}

function signInOf({ options, onTrouble }: Site, { store }: Data, trust: Trust): SignIn {
  const { clock, random, config } = options;
  const { keys, net, identities, acts } = trust;
  const documents = config.listen.clientDocuments ? new ClientDocuments({ net, clock }) : null;
  return new SignIn({ clock, random, keys, store, identities, acts, documents, onTrouble });
}
