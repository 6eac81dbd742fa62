import { TakeOver } from "../../calls/index.ts";
import type { Hook } from "../../runs/index.ts";
import { Deadlines, Orphans, Runs, Waker } from "../../runs/index.ts";
import { hooksOf } from "../agents/hooks.ts";
import { Hosting } from "../agents/hosting.ts";
import { nodeLeaseMs } from "../data/node-lease.ts";
import type { Calls } from "./calls.ts";
import type { Data } from "./data.ts";
import type { Site } from "./site.ts";
import type { Trust } from "./trust.ts";

/** Runs, the agents that this node hosts, and the look-out for nodes that die. */
export interface RunsPart {
  readonly runs: Runs;
  readonly hosting: Hosting;
  /** Starts agents whose runs are due; started once they can reach this node. */
  readonly waker: Waker;
}

export async function openRuns(
  site: Site,
  { store, node }: Data,
  trust: Trust,
  { approvals }: Calls,
): Promise<RunsPart> {
  const { config, clock, random, log, environment } = site.options;
  const { onTrouble } = site;
  const { tenant } = config;
  const { keys, net, ledger, identities, acts, vault, nodeOf, nodeIn } = trust;
  const hosting = new Hosting({
    clock,
    log,
    vault,
    identities,
    acts,
    environment,
    tenant,
    agents: config.agents,
    url: () => site.ownUrl(),
    onLost: (orders, reason, isOurDoing) => waker.lost(orders, reason, isOurDoing),
  });
  await hosting.makeAgents(nodeIn(tenant));
  const hooks = new Map<string, Hook>([
    ...hooksOf(config.hooks, { clock, net, vault, log, environment, tenant }),
    ...hosting.hooks(),
  ]);
  const runs = new Runs({
    clock,
    random,
    store,
    keys,
    ledger,
    hooks,
    onDue: () => waker.hint(),
    hostedOf: (of, name) => {
      const found = hosting.find(of, name);
      return found.ok ? found.value : null;
    },
    asksOf: (run) => approvals.ofRun(run),
  });
  const deadlines = new Deadlines({ clock, random, store, keys, ledger, nodeOf, onTrouble });
  const orphans = new Orphans({ clock, random, store, keys, ledger, nodeOf, onTrouble });
  if (config.node.roles.includes("worker")) {
    await site.open("the deadlines of runs", deadlines);
    await site.open("the ends of child runs", orphans);
  }
  const waker: Waker = new Waker({ clock, random, store, keys, ledger, hooks, node, nodeOf, onTrouble });
  const givenUp = await waker.nodeDied(node);
  if (givenUp > 0)
    log.warn("runs whose agents an earlier process drove are given up, and go on", { runs: givenUp });
  const takeOver = new TakeOver({
    clock,
    store,
    ledger,
    node,
    leaseMs: nodeLeaseMs,
    giveUpRuns: (dead) => waker.nodeDied(dead),
    onTakenOver: (from, unknownCalls, runsOfIt) =>
      log.warn("a node fell silent, and its work is taken over", { from, unknownCalls, runs: runsOfIt }),
    onTrouble,
  });
  await site.open("the look-out for dead nodes", takeOver);
  return { runs, hosting, waker };
}
