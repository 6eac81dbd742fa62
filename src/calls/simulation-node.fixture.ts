import { Approvals, approvalTables } from "../approvals/index.ts";
import { delay, ok, seededRandom } from "../base/index.ts";
import type { ManualClock, Random, Result } from "../base/index.ts";
import { Gate } from "../dispatch/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { TenantId } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { Ledger, entryTable, ledgerTables } from "../ledger/index.ts";
import { Registry, limitDefaults, registryTables } from "../registry/index.ts";
import { openMemoryStore } from "../store/index.ts";
import type { Change, FaultOptions, Lease, MemoryDatabase, MemoryStore } from "../store/index.ts";
import type { Ask, AskAnswer, UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { Vault, vaultTables } from "../vault/index.ts";
import { callTables } from "./tables.ts";
import { CallLine } from "./line.ts";
import type { CallLineOptions } from "./line.ts";
import { recoverCalls } from "./recover.ts";
import { TakeOver } from "./take-over.ts";
import type { PolicyVariant } from "./simulation-policies.fixture.ts";
import { policiesFor } from "./simulation-policies.fixture.ts";
import type { SimulatedServers } from "./simulation-servers.fixture.ts";

export const tables = [
  ...keyTables,
  ...ledgerTables,
  ...registryTables,
  ...vaultTables,
  ...approvalTables,
  ...callTables,
];
export const tenants = [defaultTenant, "acme" as TenantId] as const;
export const leaseMs = 15_000;
export const dispatchWindowMs = 10_000;

export interface NodeParts {
  /** Two processes of one name are one node that was started again. */
  readonly name: string;
  readonly clock: ManualClock;
  readonly random: Random;
  readonly database: MemoryDatabase;
  readonly servers: SimulatedServers;
  readonly faults: FaultOptions;
  /** What policy says when the node starts, and how the tools are described. */
  readonly variant: PolicyVariant;
  readonly description: string;
  readonly serviceOf: CallLineOptions["serviceOf"];
  /** Of this process alone. */
  readonly holder: string;
  /** Whether it takes over what other nodes leave when their leases run out, as they do from it. */
  readonly takesOver: boolean;
  readonly onTakenOver: () => void;
}

/** A process that serves calls on the shared database. `crash` is what `kill -9` does; a paused one may come back as a zombie. */
export class SimulatedNode {
  readonly store: MemoryStore;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly troubles: unknown[] = [];
  line: CallLine | null = null;
  approvals: Approvals | null = null;
  variant: PolicyVariant;
  private registry: Registry | null = null;
  isDead = false;
  private takeOver: TakeOver | null = null;
  private readonly parts: NodeParts;
  private readonly deaths: (() => void)[] = [];
  private cancelRenewal: () => void = () => undefined;

  constructor(parts: NodeParts) {
    const { clock, random, database, faults } = parts;
    this.parts = parts;
    this.variant = parts.variant;
    this.store = openMemoryStore({ tables, clock, database, faults });
    this.keys = new Keys({ store: this.store, random, clock, kek: new Uint8Array(32).fill(7) });
    this.ledger = new Ledger({
      store: this.store,
      keys: this.keys,
      clock,
      installationId: "sim",
      holder: parts.holder,
    });
  }

  /** Rejects when the store fails on the way: then it is dead. */
  async start(): Promise<void> {
    const { store, keys, ledger } = this;
    const { clock, random, servers, name } = this.parts;
    await store.start();
    const lease = await this.ownLease();
    store.bindToLease(lease);
    await keys.start();
    await ledger.start();
    // Of every life the same, so that policies are compiled once for all.
    const registry = new Registry({ store, clock, random: seededRandom("registry") });
    await registry.start();
    this.registry = registry;
    await this.describeTools(this.parts.description);
    this.renew(lease);
    const node = { name, fence: lease.fence };
    await recoverCalls({ clock, store, ledger, node });
    const policies = policiesFor(registry, tenants, schema);
    const approvals = new Approvals({
      clock,
      random,
      store,
      keys,
      selfByDefault: false,
      urlOf: (id) => `https://sim.test/approvals/${id}`,
      targets: () => [],
      onTrouble: (_doing, thrown) => this.troubles.push(thrown),
    });
    this.approvals = approvals;
    const line = new CallLine({
      clock,
      random,
      store,
      keys,
      ledger,
      registry,
      vault: new Vault({ store, keys, clock }),
      approvals,
      policies: { current: () => policies[this.variant] },
      gate: new Gate({ clock, waitingMax: 8, waitingOfOneMax: 8 }),
      upstreams: {
        exchange: (request) => this.exchange(servers, request),
        catalogueFor: () => Promise.resolve(),
        watchResource: () => Promise.resolve(() => undefined),
      },
      limits: { callsInFlightMax: 6, dispatchWindowMs, leaseMs },
      tenants: () => tenants,
      serviceOf: this.parts.serviceOf,
      node,
      record: () => {},
      onTrouble: (_doing, thrown) => this.troubles.push(thrown),
    });
    await line.start();
    this.line = line;
    if (!this.parts.takesOver) return;
    this.takeOver = new TakeOver({
      clock,
      store,
      ledger,
      node,
      leaseMs,
      giveUpRuns: () => Promise.resolve(0),
      onTakenOver: this.parts.onTakenOver,
      onTrouble: (_doing, thrown) => this.troubles.push(thrown),
    });
    this.takeOver.start();
  }

  /** Like app/data/node-lease.ts: whoever takes over what an earlier process left has the name until that is done, or until it dies over it. */
  private async ownLease(): Promise<Lease> {
    const { clock, name } = this.parts;
    for (let waitedMs = 0; waitedMs <= leaseMs + 5_000; waitedMs += 500) {
      const lease = await this.store.acquireLease(`node/${name}`, name, leaseMs);
      if (lease !== null) return lease;
      await delay(clock, 500);
    }
    throw new Error("the lease of a node is free for it after a while");
  }

  /** From here on it leaves to others what others leave. */
  async leaveOthersAlone(): Promise<void> {
    await this.takeOver?.stop();
    this.takeOver = null;
  }

  /** From here on the servers describe their tools so, and somebody has approved it. */
  async describeTools(description: string): Promise<void> {
    if (this.registry !== null) await offerTools(this.registry, this.store, description);
  }

  private renew(lease: Lease): void {
    this.cancelRenewal = this.parts.clock.after(leaseMs / 3, () => {
      if (this.isDead) return;
      this.renew(lease);
      void this.store.renewLease(lease, leaseMs).then(
        // Somebody has taken its place: the process ends itself.
        (renewed) => (renewed === null && this.takeOver !== null ? this.crash() : undefined),
        () => undefined,
      );
    });
  }

  /** A fault has killed the store; the process goes on for a while, and can do nothing any more. */
  async hasDeadStore(): Promise<boolean> {
    return this.store.listById(entryTable, "-", 1).then(
      () => false,
      () => true,
    );
  }

  crash(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.store.crash();
    this.cancelRenewal();
    // Its timers die with it.
    void this.ledger.stop();
    void this.line?.stop(0);
    void this.takeOver?.stop();
    this.approvals?.stop();
    for (const die of this.deaths) die();
  }

  /** Settles with the work's value, or with null when the process dies first. */
  whileAlive<T>(work: Promise<T>): Promise<T | null> {
    return new Promise((resolve, reject) => {
      this.deaths.push(() => resolve(null));
      if (this.isDead) resolve(null);
      work.then((value) => (this.isDead ? resolve(null) : resolve(value)), reject);
    });
  }

  /** What a dead process would have sent never leaves, and what it is sent is never heard. */
  private async exchange(servers: SimulatedServers, request: UpstreamRequest): Promise<UpstreamReply> {
    const mayDispatch = () => !this.isDead && request.mayDispatch();
    const { onAsk } = request;
    // Whoever asks a dead process waits in vain.
    const asking =
      onAsk === null ? null : (ask: Ask) => (this.isDead ? new Promise<AskAnswer>(() => {}) : onAsk(ask));
    const reply = await servers.exchange({ ...request, mayDispatch, onAsk: asking });
    return this.isDead ? new Promise(() => {}) : reply;
  }
}

/** The older dialect compiles faster, and each process compiles anew. */
const schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  type: "object",
  properties: { label: { type: "string" } },
};
export const toolClasses = {
  read: { kind: "read" },
  effect: { kind: "effect" },
  verifiable: { kind: "verifiable", verifyTool: "verify" },
  idempotent: { kind: "idempotent", keyArgument: "label" },
} as const;
export type SimulatedTool = keyof typeof toolClasses;
const allClasses = { ...toolClasses, verify: { kind: "read" } } as const;

async function offerTools(registry: Registry, store: MemoryStore, description: string): Promise<void> {
  const make = async <T>(change: Result<Change<T>>): Promise<T> => {
    if (!change.ok) throw new Error(change.refusal.detail);
    if (change.value.writes.length > 0) await store.commit(change.value.writes);
    change.value.applied();
    return change.value.value;
  };
  for (const tenant of tenants) {
    await make(registry.limits.put(tenant, { ...limitDefaults, perPrincipalCallsMax: 4 }, "api"));
    const server =
      registry.serverNamed(tenant, "sim") ??
      (await make(
        registry.addServer(tenant, {
          name: "sim",
          transport: { kind: "http", url: "http://127.0.0.1:1/mcp", headers: {} },
          toolClasses: allClasses,
        }),
      ));
    const definitions = Object.keys(allClasses).map((name) => ({ name, description, inputSchema: schema }));
    const offer = await registry.offer(server.id, definitions);
    if (!offer.ok) throw new Error(offer.refusal.detail);
    for (const change of offer.value.changes) await make(ok(change));
    for (const tool of registry.toolsOf(tenant))
      if (tool.state.kind === "quarantined") await make(registry.approvePin(tool, tool.state.offeredPin));
    registry.reportHealth(server.id, { state: "healthy", since: registry.serverHealth(server.id).since });
  }
}
