import type { Approvals } from "../../approvals/index.ts";
import type { Acts } from "../../admin/index.ts";
import { explain } from "../../base/index.ts";
import type { CallLine } from "../../calls/index.ts";
import type { Identities } from "../../identity/index.ts";
import type { Ledger } from "../../ledger/index.ts";
import type { Registry } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import type { Vault } from "../../vault/index.ts";
import { keepYoungObjectsYoung } from "../launch/collector.ts";
import { registerGauges } from "./gauges.ts";
import { WaitingCounts } from "./waiting-counts.ts";
import { openApi } from "./api.ts";
import { openAuthority } from "./authority.ts";
import { openCalls } from "./calls.ts";
import { applyConfigured } from "./configured.ts";
import { openData } from "./data.ts";
import { openDoor } from "./door.ts";
import { openRuns } from "./runs.ts";
import { openServers } from "./servers.ts";
import { settle } from "./settle.ts";
import type { NodeOptions } from "./site.ts";
import { Site } from "./site.ts";
import { openTrust } from "./trust.ts";

/**
 * All rooms of one process, wired, from the ground up. Constructing does nothing; `start` opens the data and listens.
 *
 *     data ──► trust ──► authority ──► settle ──► servers ──► calls ──► configured ──► runs ──► api ──► door
 *     store    keys      registry      what was   connec-     the       the file's     agents           listens
 *     lease    ledger    policies      left open  tions       line      servers        hooks
 *              identities
 */
export class Node {
  private readonly site: Site;
  private notReady: readonly string[] = ["starting"];

  constructor(options: NodeOptions) {
    this.site = new Site(options);
  }

  /** Resolves once the node listens. When a step fails, what was opened is closed again and the fault is thrown. */
  async start(): Promise<RunningNode> {
    keepYoungObjectsYoung();
    try {
      return await this.open();
    } catch (thrown) {
      await this.stop();
      throw thrown;
    }
  }

  /** Stops in the reverse order of starting and finishes even when a step throws. Safe to call twice. */
  async stop(): Promise<void> {
    this.notReady = ["stopping"];
    const { shutdown, options } = this.site;
    for (const { doing, thrown } of await shutdown.run()) {
      options.log.error("a part did not stop cleanly", { doing, reason: explain(thrown) });
    }
  }

  private async open(): Promise<RunningNode> {
    const { site } = this;
    const { shutdown } = site;
    const { clock, config, log, metrics } = site.options;
    const data = await openData(site);
    const trust = await openTrust(site, data);
    const authority = await openAuthority(site, data, trust);
    await settle(site, data, trust, authority);
    const servers = openServers(site, trust, authority);
    const calls = await openCalls(site, data, trust, authority, servers);
    const policyFiles = await applyConfigured(site, data, trust, authority, servers);
    const runs = await openRuns(site, data, trust, calls);
    const parts = { data, trust, authority, servers, calls, runs };
    const admin = openApi(site, parts);
    const standing = { notReady: () => this.notReady, policyFiles };
    const { edge, url } = await openDoor(site, parts, admin, standing);
    // Not before: links to this node have its address in them, and agents that are started want to reach it.
    if (config.node.roles.includes("worker")) {
      await site.open("the announcements", calls.announcing);
      await site.open("the hooks of runs", runs.waker);
    }
    // Added last, so stopped first: no new call enters while those under way are waited for.
    const { shutdownGraceMs } = config.limits;
    shutdown.add("waiting for calls under way", () => calls.line.stop(shutdownGraceMs));
    shutdown.add("closing the edge", () => edge.stop(shutdownGraceMs));
    shutdown.add("answering those who wait in runs", () => runs.runs.stop());
    shutdown.add("answering those who wait for approvals", () => calls.approvals.stop());
    const { tenants, ledger, identities, acts, vault } = trust;
    const { store, lease } = data;
    const waiting = new WaitingCounts({ clock, store, tenants });
    await site.open("the counts of what waits for people", waiting);
    registerGauges({ metrics, store, lease, ledger, tenants, log, waiting, ...authority, ...calls });
    this.notReady = [];
    const { line, approvals } = calls;
    return { url, identities, registry: authority.registry, vault, acts, store, ledger, line, approvals };
  }
}

/** What whoever started the node may need of it: the command line for its first token, tests for looking inside. */
export interface RunningNode {
  readonly url: string;
  readonly identities: Identities;
  readonly registry: Registry;
  readonly vault: Vault;
  readonly acts: Acts;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly line: CallLine;
  readonly approvals: Approvals;
}
