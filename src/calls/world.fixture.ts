import { Approvals, approvalTables } from "../approvals/index.ts";
import { Fault, ManualClock, newId, ok, seededRandom } from "../base/index.ts";
import type { Result } from "../base/index.ts";
import { Gate } from "../dispatch/index.ts";
import { Identities, defaultTenant, identityTables } from "../identity/index.ts";
import type { Principal } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { Ledger, ledgerTables } from "../ledger/index.ts";
import { compilePolicies } from "../policy/index.ts";
import type { PolicySet } from "../policy/index.ts";
import { Registry, noCapabilities, registryTables } from "../registry/index.ts";
import type { LimitVersion, Limits, Profile, ToolClass } from "../registry/index.ts";
import { openMemoryStore } from "../store/index.ts";
import type { Change, MemoryStore } from "../store/index.ts";
import type { CallRecord } from "../telemetry/index.ts";
import type { UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { Vault, vaultTables } from "../vault/index.ts";
import type { CallAnswer, CallInput } from "./call.ts";
import { CallLine } from "./line.ts";
import { callTables } from "./tables.ts";

/** Answers like a server would; a test says how, and sees what was sent. */
class ScriptedUpstream {
  readonly sent: UpstreamRequest[] = [];
  answer: (request: UpstreamRequest) => Promise<UpstreamReply> | UpstreamReply = (request) =>
    resultOf(`{"content":[{"type":"text","text":${JSON.stringify(request.argumentsText)}}]}`);

  /** Who was asked for a catalogue, as `server profile`. */
  readonly catalogues: string[] = [];
  readonly watched = new Map<string, () => void>();

  async catalogueFor(server: string, profile: Profile): Promise<void> {
    this.catalogues.push(`${server} ${profile.key}`);
  }

  async watchResource(
    _server: string,
    uri: string,
    _profile: Profile,
    onUpdated: (uri: string) => void,
  ): Promise<() => void> {
    this.watched.set(uri, () => onUpdated(uri));
    return () => this.watched.delete(uri);
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    if (!request.mayDispatch()) throw cancelled();
    this.sent.push(request);
    return this.answer(request);
  }
}

export const resultOf = (raw: string): UpstreamReply => ({
  kind: "result",
  raw,
  value: JSON.parse(raw) as Record<string, unknown>,
});

export interface World {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly line: CallLine;
  readonly upstream: ScriptedUpstream;
  readonly ledger: Ledger;
  readonly keys: Keys;
  readonly registry: Registry;
  readonly vault: Vault;
  readonly approvals: Approvals;
  readonly agent: Principal;
  readonly records: CallRecord[];
  readonly troubles: unknown[];
  call(
    name: string,
    args: Record<string, unknown>,
    meta?: Record<string, unknown>,
    more?: Partial<CallInput>,
  ): Promise<CallAnswer>;
  /** Somebody new. */
  person(name: string, roles: readonly string[]): Promise<Principal>;
  /** From here on these decide. */
  setPolicies(text: string): void;
  /** Put in force like an administrator's. */
  setLimits(limits: Partial<Limits>): Promise<LimitVersion>;
  /** The server offers its tools anew; a changed definition is taken as it is. */
  offer(definitions: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  outcomes(): Promise<string[]>;
  /** Another node on the same store, with the same neighbours. */
  secondNode(): Promise<{ readonly call: World["call"]; stop(): Promise<void> }>;
  /** The first node's lease runs out. */
  loseNode(): Promise<void>;
  /** Lets time pass until the promise is settled. */
  tickUntil(pending: Promise<unknown>): Promise<void>;
  stop(): Promise<void>;
}

const schema = {
  type: "object",
  properties: { path: { type: "string" }, amount: { type: "integer" } },
  additionalProperties: false,
};

/** Tools `files__read` (read), `files__write` (effect) `files__checked` (read, with an output schema) and `files__put` (idempotent by `key`). */
export async function openWorld(policies = "permit(principal, action, resource);"): Promise<World> {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const store = openMemoryStore({
    clock,
    tables: [
      ...keyTables,
      ...identityTables,
      ...ledgerTables,
      ...registryTables,
      ...vaultTables,
      ...approvalTables,
      ...callTables,
    ],
  });
  await store.start();
  const lease = (await store.acquireLease("node/local", "local", 24 * 3_600_000)) ?? never();
  store.bindToLease(lease);
  const keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
  await keys.start();
  const ledger = new Ledger({ store, keys, clock, installationId: "test" });
  await ledger.start();
  const identities = new Identities({ store, keys, clock, random });
  await identities.start();
  const make = async <T>(change: Result<Change<T>>): Promise<T> => {
    if (!change.ok) throw new Error(change.refusal.detail);
    await store.commit(change.value.writes);
    change.value.applied();
    return change.value.value;
  };
  const boot = await make(identities.bootstrap());
  const admin = identities.recorded(defaultTenant, boot.default.admin.id);
  const record = await make(
    identities.createAgent(admin.ok ? admin.value : never(), { name: "a", roles: [] }),
  );
  const agent = identities.recorded(defaultTenant, record.id);
  const registry = new Registry({ store, clock, random });
  await registry.start();
  await fillRegistry(registry, make);
  const vault = new Vault({ store, keys, clock });
  let compiled = compile(policies, registry);
  const upstream = new ScriptedUpstream();
  const approvals = new Approvals({
    clock,
    random,
    store,
    keys,
    selfByDefault: false,
    urlOf: (id) => `https://box.test/approvals/${id}`,
    targets: () => [],
    onTrouble: (_doing, thrown) => troubles.push(thrown),
  });
  const records: CallRecord[] = [];
  const troubles: unknown[] = [];
  const lineOn = (name: string, fence: number) =>
    new CallLine({
      clock,
      random,
      store,
      keys,
      ledger,
      registry,
      vault,
      approvals,
      policies: { current: () => compiled },
      gate: new Gate({ clock, waitingMax: 100, waitingOfOneMax: 100 }),
      upstreams: upstream,
      limits: { callsInFlightMax: 50, dispatchWindowMs: 10_000, leaseMs: 15_000 },
      tenants: () => [defaultTenant],
      serviceOf: (tenant) => {
        const node = identities.node(tenant);
        return node.ok ? node.value : null;
      },
      node: { name, fence },
      record: (each) => records.push(each),
      onTrouble: (_doing, thrown) => troubles.push(thrown),
    });
  const line = lineOn("local", 1);
  await line.start();
  const principal = agent.ok ? agent.value : never();
  const callOn =
    (on: CallLine): World["call"] =>
    (name, args, meta = {}, more = {}) =>
      on.call({
        requestId: newId("req", clock.wall(), random),
        authenticate: () => ok(principal),
        method: "tools/call",
        name,
        arguments: args,
        meta,
        deadline: null,
        signal: new AbortController().signal,
        profile: noCapabilities,
        logLevel: null,
        round: null,
        ask: null,
        onLog: null,
        onProgress: null,
        receivedAt: clock.monotonic(),
        ...more,
      });
  return {
    clock,
    store,
    line,
    upstream,
    ledger,
    keys,
    registry,
    vault,
    approvals,
    agent: principal,
    records,
    troubles,
    call: callOn(line),
    async person(name, roles) {
      const made = await make(identities.createPerson(principal, { name, roles }));
      const found = identities.recorded(defaultTenant, made.id);
      return found.ok ? found.value : never();
    },
    setPolicies(text) {
      compiled = compile(text, registry);
    },
    setLimits: (limits) =>
      make(
        registry.limits.put(defaultTenant, { ...registry.limits.of(defaultTenant).limits, ...limits }, "api"),
      ),
    async offer(definitions) {
      const [server] = registry.serversOf(defaultTenant);
      const offered = await registry.offer(server?.id ?? never(), definitions);
      if (!offered.ok) throw new Error(offered.refusal.detail);
      for (const change of offered.value.changes) await make(ok(change));
    },
    async secondNode() {
      // One store serves both: from here on it writes in the name of the second.
      store.bindToLease((await store.acquireLease("node/second", "second", 24 * 3_600_000)) ?? never());
      const second = lineOn("second", 1);
      await second.start();
      return { call: callOn(second), stop: () => second.stop(0) };
    },
    async loseNode() {
      await store.releaseLease(lease);
    },
    async tickUntil(pending) {
      const progress = { isSettled: false };
      void pending.finally(() => (progress.isSettled = true)).catch(() => undefined);
      for (let i = 0; i < 10_000 && !progress.isSettled; i++) {
        clock.advance(50);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    outcomes: async () =>
      (await ledger.list(defaultTenant, { limit: 500 }))
        .map(({ entry }) => `${entry.kind}:${entry.outcome === null ? "-" : label(entry.outcome)}`)
        .toReversed(),
    async stop() {
      await line.stop(0);
      await ledger.stop();
      await identities.stop();
      await store.stop();
    },
  };
}

function compile(text: string, registry: Registry): PolicySet {
  const compiled = compilePolicies({
    files: [{ path: "p.cedar", text }],
    catalog: {
      tenants: ["default"],
      roles: [],
      servers: registry.serversOf(defaultTenant).map(({ id, name }) => ({ id, name })),
      tools: registry.toolsOf(defaultTenant).map((tool) => ({
        id: tool.id,
        serverId: tool.server.id,
        inputSchema: tool.definition.inputSchema,
      })),
    },
  });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.refusal));
  return compiled.value;
}

async function fillRegistry(
  registry: Registry,
  make: <T>(change: Result<Change<T>>) => Promise<T>,
): Promise<void> {
  const server = await make(
    registry.addServer(defaultTenant, {
      name: "files",
      transport: { kind: "http", url: "http://127.0.0.1:1/mcp", headers: {} },
      toolClasses: {
        read: { kind: "read" },
        checked: { kind: "read" },
        put: { kind: "idempotent", keyArgument: "key" },
        // Offered only by tests that need them.
        send: { kind: "verifiable", verifyTool: "sent", verifyArguments: ["path"] },
        sent: { kind: "read" },
      } satisfies Record<string, ToolClass>,
    }),
  );
  const offer = await registry.offer(server.id, [
    { name: "read", inputSchema: schema },
    { name: "write", inputSchema: schema },
    { name: "put", inputSchema: { type: "object", properties: { key: { type: "string" } } } },
    {
      name: "checked",
      inputSchema: schema,
      outputSchema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
    },
  ]);
  if (!offer.ok) throw new Error(offer.refusal.detail);
  for (const change of offer.value.changes) await make(ok(change));
  registry.offerFeatures(server.id, noCapabilities, {
    capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {} },
    serverInfo: null,
    instructions: "Paths are relative.",
    tools: ["read", "write", "checked", "put"],
    resources: [{ uri: "file:///a", name: "a" }],
    templates: [{ uriTemplate: "file:///logs/{day}", name: "logs" }],
    prompts: [{ name: "greet", arguments: [{ name: "who" }] }],
    skills: [],
    ttlMs: 5_000,
  });
  registry.reportHealth(server.id, { state: "healthy", since: new ManualClock().wall() });
}

const label = (outcome: { kind: string; isError?: boolean; code?: string }): string =>
  outcome.code ?? (outcome.isError === true ? "error" : outcome.kind);

const never = (): never => {
  throw new Error("the world could not be set up");
};

const cancelled = () => new Fault("cancelled", "not allowed to leave", { effect: "none" });
