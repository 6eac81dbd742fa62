import type { Clock } from "../base/index.ts";
import { Fault, delay } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { FileSection, FileStep, Limits, Registry } from "../registry/index.ts";
import type { Lease, Store } from "../store/index.ts";
import type { Acts } from "./act.ts";

export interface ApplyFileOptions {
  readonly registry: Pick<Registry, "applyFile" | "catchUp" | "limits" | "serverNamed">;
  readonly acts: Pick<Acts, "perform" | "recordRefusal">;
  /** The node's service principal in the tenant that the section is about. */
  readonly actor: Principal;
  readonly section: FileSection;
  /** Of the tenant's callers; null = the file says nothing of them. */
  readonly limits: Limits | null;
  /** Left out where the node's own lease on its data already keeps others away. */
  readonly lease?: LeaseOptions;
}

interface LeaseOptions {
  readonly store: Pick<Store, "acquireLease" | "renewLease" | "releaseLease">;
  readonly clock: Clock;
  readonly holder: string;
}

/** Only one node applies a file at a time; each commit takes some milliseconds. */
const leaseMs = 30_000;
const leaseWaitMs = 60_000;
const leaseRetryMs = 250;
const stepsPerRenewal = 50;
/** The API leaves limits alone once they are the file's, so a second race is rare. */
const limitRacesMax = 5;

/**
 * Makes the servers of origin `file`, and the limits where the file has any, what it says: the same acts as through the API, each with
 * its entry, by the node's own service principal. Nothing is done for servers whose digest was applied last, nor for limits that hold. Returns what did not work, for the log: declared classes
 * that do not fit, or why the rest was not applied; then what was in force before still is, and it is tried again at the next
 * start. Rejects with a Fault when the store fails, or another node holds the lease for a minute.
 */
export async function applyFileSection(options: ApplyFileOptions): Promise<readonly string[]> {
  if (options.lease === undefined) return applyUnderLease(options, async () => undefined);
  const { store } = options.lease;
  let lease = await acquire(options.actor, options.lease);
  let sinceRenewal = 0;
  try {
    await options.registry.catchUp(); // with what the node before us has applied
    return await applyUnderLease(options, async () => {
      if (++sinceRenewal < stepsPerRenewal) return;
      sinceRenewal = 0;
      const renewed = await store.renewLease(lease, leaseMs);
      if (renewed === null)
        throw new Fault("lease-lost", "another node has begun to apply its configuration file");
      lease = renewed;
    });
  } finally {
    await store.releaseLease(lease);
  }
}

async function applyUnderLease(
  options: ApplyFileOptions,
  keepLease: () => Promise<void>,
): Promise<readonly string[]> {
  const limits = await applyLimits(options);
  return [...limits, ...(await applyServers(options, keepLease))];
}

async function applyLimits({ registry, acts, actor, limits }: ApplyFileOptions): Promise<readonly string[]> {
  const { tenant } = actor;
  for (let races = 1; ; races++) {
    const before = registry.limits.of(tenant);
    const planned = registry.limits.applyFile(tenant, limits);
    if (!planned.ok) return [planned.refusal.detail];
    if (planned.value.writes.length === 0) return [];
    const { version, origin, limits: to } = planned.value.value;
    const act = { actor, action: "admin.limits.set", decision: null };
    const note = { origin, version, from: { origin: before.origin, ...before.limits }, to };
    const performed = await acts.perform(act, tenant, planned.value, note);
    if (performed.ok) return [];
    if (performed.refusal.code !== "conflict" || races >= limitRacesMax)
      return [`limits: ${performed.refusal.detail}`];
    // Somebody has set others through the API at this moment, on a node whose file this may not be.
    await registry.limits.reread(tenant);
  }
}

async function applyServers(
  { registry, acts, actor, section }: ApplyFileOptions,
  keepLease: () => Promise<void>,
): Promise<readonly string[]> {
  const { tenant } = actor;
  const planned = registry.applyFile(tenant, section);
  if (!planned.ok) {
    // Someone will ask why the file had no effect.
    const act = { actor, action: "admin.file.apply", decision: null };
    await acts.recordRefusal(act, planned.refusal, { digest: section.digest });
    return [planned.refusal.detail];
  }
  const troubles: string[] = [];
  for (const change of planned.value) {
    await keepLease();
    const { kind, server, problems } = change.value;
    troubles.push(...problems.map((problem) => `server "${server ?? ""}": ${problem}`));
    const act = { actor, action: actionOf(kind), decision: null };
    const subject = server === null ? null : (registry.serverNamed(tenant, server)?.id ?? null);
    const note = { origin: "file", digest: section.digest, server, problems };
    const performed = await acts.perform(act, subject, change, note);
    if (!performed.ok) return [...troubles, performed.refusal.detail];
  }
  return troubles;
}

async function acquire(actor: Principal, { store, clock, holder }: LeaseOptions): Promise<Lease> {
  for (let waitedMs = 0; ; waitedMs += leaseRetryMs) {
    const lease = await store.acquireLease(`admin/file/${actor.tenant}`, holder, leaseMs);
    if (lease !== null) return lease;
    if (waitedMs >= leaseWaitMs) {
      throw new Fault(
        "store-busy",
        `another node has been applying its configuration file for ${leaseWaitMs} ms`,
      );
    }
    await delay(clock, leaseRetryMs);
  }
}

function actionOf(kind: FileStep["kind"]): string {
  switch (kind) {
    case "server-added":
      return "admin.server.add";
    case "server-changed":
      return "admin.server.change";
    case "server-removed":
      return "admin.server.remove";
    case "classes-set":
      return "admin.tool.set-class";
    case "file-applied":
      return "admin.file.apply";
  }
}
