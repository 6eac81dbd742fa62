import { Fault, delay, msOf, ok, randomBelow } from "../base/index.ts";
import type { ManualClock, Random, Result, WallMs } from "../base/index.ts";
import { Gate } from "../dispatch/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { TenantId } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { Ledger, entryTable, ledgerTables } from "../ledger/index.ts";
import { compilePolicies } from "../policy/index.ts";
import type { PolicySet } from "../policy/index.ts";
import { Registry, registryTables } from "../registry/index.ts";
import { openMemoryStore } from "../store/index.ts";
import type { Change, FaultOptions, MemoryDatabase, MemoryStore } from "../store/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { Vault, vaultTables } from "../vault/index.ts";
import { CallLine } from "./line.ts";
import { recoverCalls } from "./recover.ts";
import { resultOf } from "./world.fixture.ts";

export const tables = [...keyTables, ...ledgerTables, ...registryTables, ...vaultTables];
export const tenants = [defaultTenant, "acme" as TenantId] as const;
export const leaseMs = 15_000;
export const dispatchWindowMs = 10_000;

/** Draws from a seed; everything random in a simulation comes from here. */
export class Dice {
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  below(n: number): number {
    return randomBelow(this.random, n);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** One request whose bytes left a node. `rejected` = the server proved that it did nothing. */
export interface Sent {
  readonly tool: string;
  readonly argumentsText: string;
  readonly at: WallMs;
  rejected: boolean;
}

/** The servers, as all nodes reach them: sees every byte that left, answers well, badly, late or never. */
export class SimulatedServers {
  readonly sent: Sent[] = [];
  onSent: (sent: Sent) => void = () => {};
  /** The process stands still for so long directly before its next request leaves. */
  nextPauseMs = 0;
  private readonly clock: ManualClock;
  private readonly dice: Dice;

  constructor(clock: ManualClock, dice: Dice) {
    this.clock = clock;
    this.dice = dice;
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    const { clock, dice } = this;
    if (dice.chance(10)) throw new Fault("tool-unavailable", "no connection", { effect: "none" });
    if (dice.chance(3)) throw new Fault("tool-unavailable", "try at once", { effect: "none", retry: "now" });
    const pauseMs = this.nextPauseMs;
    this.nextPauseMs = 0;
    if (pauseMs > 0) await delay(clock, pauseMs);
    // Until a connection is there, or because the process stood still.
    if (dice.chance(20)) await delay(clock, dice.below(dice.chance(20) ? 20_000 : 500));
    if (request.signal.aborted) throw new Fault("cancelled", "gone", { effect: "none" });
    if (!request.mayDispatch()) throw new Fault("deadline-before-dispatch", "forbidden", { effect: "none" });
    const sent: Sent = {
      tool: request.name ?? "",
      argumentsText: request.argumentsText ?? "",
      at: clock.wall(),
      rejected: false,
    };
    const fate = dice.below(100);
    sent.rejected = fate >= 75 && fate < 80;
    this.sent.push(sent);
    this.onSent(sent);
    if (dice.chance(60)) await delay(clock, dice.below(400));
    if (fate < 60) return resultOf(`{"content":[{"type":"text","text":"done ${this.sent.length}"}],"n":1.0}`);
    if (fate < 65) return resultOf('{"content":[],"isError":true,"_meta":{"x":1}}');
    if (fate < 70) return resultOf('{"content":[],"_meta":7}');
    if (fate < 75) return { kind: "error", error: { code: -32_603, message: "it broke" } };
    if (fate < 80) return { kind: "rejected", error: { code: -32_602, message: "not so" } };
    if (fate < 90) throw new Fault("upstream-lost", "the connection broke");
    if (fate < 93) throw new Fault("result-too-large", "too large");
    if (fate < 96) return resultOf('{"resultType":"input_required"}');
    const leftMs = msOf(request.deadline.at) - msOf(clock.monotonic());
    await delay(clock, Math.max(0, leftMs));
    throw new Fault("deadline-exceeded", "too late");
  }
}

export interface NodeParts {
  readonly clock: ManualClock;
  readonly random: Random;
  readonly database: MemoryDatabase;
  readonly servers: SimulatedServers;
  readonly faults: FaultOptions;
}

/** A process that serves calls on the shared database. `crash` is what `kill -9` does; a paused one may come back as a zombie. */
export class SimulatedNode {
  readonly store: MemoryStore;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly troubles: unknown[] = [];
  line: CallLine | null = null;
  isDead = false;
  private readonly parts: NodeParts;
  private readonly deaths: (() => void)[] = [];

  constructor(parts: NodeParts) {
    const { clock, random, database, faults } = parts;
    this.parts = parts;
    this.store = openMemoryStore({ tables, clock, database, faults });
    this.keys = new Keys({ store: this.store, random, clock, kek: new Uint8Array(32).fill(7) });
    this.ledger = new Ledger({ store: this.store, keys: this.keys, clock, installationId: "sim" });
  }

  /** Rejects when the store fails on the way: then it is dead. */
  async start(): Promise<void> {
    const { store, keys, ledger } = this;
    const { clock, random, servers } = this.parts;
    await store.start();
    const lease = await store.acquireLease("node/local", "local", leaseMs);
    if (lease === null) throw new Error("the lease of this one node is always free for it");
    store.bindToLease(lease);
    await keys.start();
    await ledger.start();
    const registry = new Registry({ store, clock, random });
    await registry.start();
    await offerTools(registry, store);
    const node = { name: "local", fence: lease.fence };
    await recoverCalls({ clock, store, ledger, node });
    const policies = policiesFor(this.parts.database, registry);
    const line = new CallLine({
      clock,
      random,
      store,
      keys,
      ledger,
      registry,
      vault: new Vault({ store, keys, clock }),
      policies: { current: () => policies },
      gate: new Gate({ clock, waitingMax: 8 }),
      upstreams: { exchange: (request) => this.exchange(servers, request) },
      limits: { callsInFlightMax: 6, perPrincipalCallsMax: 4, dispatchWindowMs },
      node,
      record: () => {},
      onTrouble: (_doing, thrown) => this.troubles.push(thrown),
    });
    await line.start();
    this.line = line;
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
    // Its timers die with it.
    void this.ledger.stop();
    void this.line?.stop(0);
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
    const reply = await servers.exchange({ ...request, mayDispatch });
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
  verifiable: { kind: "verifiable", verifyTool: "read" },
  idempotent: { kind: "idempotent", keyArgument: "label" },
} as const;
export type SimulatedTool = keyof typeof toolClasses;

async function offerTools(registry: Registry, store: MemoryStore): Promise<void> {
  const make = async <T>(change: Result<Change<T>>): Promise<T> => {
    if (!change.ok) throw new Error(change.refusal.detail);
    if (change.value.writes.length > 0) await store.commit(change.value.writes);
    change.value.applied();
    return change.value.value;
  };
  for (const tenant of tenants) {
    const server =
      registry.serverNamed(tenant, "sim") ??
      (await make(
        registry.addServer(tenant, {
          name: "sim",
          transport: { kind: "http", url: "http://127.0.0.1:1/mcp", headers: {} },
          toolClasses,
        }),
      ));
    const definitions = Object.keys(toolClasses).map((name) => ({ name, inputSchema: schema }));
    const offer = await registry.offer(server.id, definitions);
    if (!offer.ok) throw new Error(offer.refusal.detail);
    for (const change of offer.value.changes) await make(ok(change));
    registry.reportHealth(server.id, { state: "healthy", since: registry.serverHealth(server.id).since });
  }
}

const compiledFor = new WeakMap<MemoryDatabase, PolicySet>();

/** Everything is allowed, but to one agent not with every argument, so that policy refuses some steps. */
function policiesFor(database: MemoryDatabase, registry: Registry): PolicySet {
  const compiled = compiledFor.get(database);
  if (compiled !== undefined) return compiled;
  const result = compilePolicies({
    files: [
      {
        path: "sim.cedar",
        text: 'permit(principal, action, resource); forbid(principal == Agent::"agent/a0", action == Action::"call", resource) when { context.args has label && context.args.label like "*denied*" };',
      },
    ],
    catalog: {
      tenants: [...tenants],
      roles: [],
      servers: tenants.flatMap((tenant) => registry.serversOf(tenant).map(({ id, name }) => ({ id, name }))),
      tools: tenants.flatMap((tenant) =>
        registry
          .toolsOf(tenant)
          .map((tool) => ({ id: tool.id, serverId: tool.server.id, inputSchema: schema })),
      ),
    },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  compiledFor.set(database, result.value);
  return result.value;
}
