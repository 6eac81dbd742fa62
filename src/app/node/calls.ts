import { Approvals } from "../../approvals/index.ts";
import type { ApprovalId } from "../../approvals/index.ts";
import { AnswerLetters, CallLine } from "../../calls/index.ts";
import { Gate } from "../../dispatch/index.ts";
import { createRecordCall } from "../../telemetry/index.ts";
import { Announcing } from "./announcing.ts";
import { nodeLeaseMs } from "../data/node-lease.ts";
import type { Authority } from "./authority.ts";
import type { Data } from "./data.ts";
import type { Servers } from "./servers.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** From a stranger's mistake to a bound on what waits: four rounds of calls. */
const waitingCallsMax = 4_096;
/** Ten rounds of one principal's calls. Four principals out of hand leave nothing to others, one leaves three quarters. */
const waitingCallsOfOneMax = 1_024;
const dispatchWindowMs = 10_000;

/** The governed line, and the people it asks. */
export interface Calls {
  readonly line: CallLine;
  readonly gate: Gate;
  readonly approvals: Approvals;
  /** Tells people of what waits for them; started once links lead somewhere. */
  readonly announcing: Announcing;
  /** Answers that another node waits for. */
  readonly letters: AnswerLetters;
}

export async function openCalls(
  site: Site,
  { store, node }: Data,
  trust: Trust,
  { registry, policies }: Authority,
  { upstreams, catalogue }: Servers,
): Promise<Calls> {
  const { mode, config, clock, random, log, metrics } = site.options;
  const { onTrouble, shutdown } = site;
  const { keys, net, ledger, identities, vault, tenants, nodeOf } = trust;
  const urlOf = (id: ApprovalId): string | null => {
    const base = config.listen.publicUrl ?? site.ownUrl();
    return base === null ? null : `${base}/approvals/${id}`;
  };
  const announcing = new Announcing({
    clock,
    random,
    store,
    net,
    tenant: config.tenant,
    webhooks: config.approvals.webhooks,
    reveal: (name) => vault.reveal(config.tenant, name),
    urlOf,
    nameOf: (tenant, id) => identities.nameOf(tenant, id),
    onTrouble,
  });
  const approvals = new Approvals({
    clock,
    random,
    store,
    keys,
    // A developer alone at a machine is all the people there are.
    selfByDefault: mode === "dev",
    urlOf,
    targets: (tenant) => (tenant === config.tenant ? announcing.targets : []),
    onTrouble,
  });
  const gate = new Gate({ clock, waitingMax: waitingCallsMax, waitingOfOneMax: waitingCallsOfOneMax });
  const line = new CallLine({
    clock,
    random,
    store,
    keys,
    ledger,
    registry,
    policies,
    vault,
    approvals,
    gate,
    upstreams: {
      exchange: (request) => upstreams.exchange(request),
      watchResource: (...watch) => upstreams.watchResource(...watch),
      catalogueFor: async (server, profile) => {
        await upstreams.catalogueFor(server, profile);
        await catalogue.recorded(server);
      },
    },
    limits: { ...config.limits, dispatchWindowMs, leaseMs: nodeLeaseMs },
    tenants,
    serviceOf: nodeOf,
    node,
    record: createRecordCall({ log, metrics, clock }),
    onTrouble,
  });
  await line.start();
  const letters = new AnswerLetters({ clock, store, keys, node, onTrouble });
  shutdown.add("leaving answers to other nodes", () => letters.stop());
  return { line, gate, approvals, announcing, letters };
}
