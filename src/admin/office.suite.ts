import { Approvals, approvalTables } from "../approvals/index.ts";
import { createServer } from "node:http";
import type { Probed, Trying } from "../calls/index.ts";
import type { AddressInfo } from "node:net";
import type { Result } from "../base/index.ts";
import { delay, refuse, systemClock, systemRandom } from "../base/index.ts";
import type { Principal, PrincipalKind, TenantId } from "../identity/index.ts";
import { Identities, defaultTenant, identityTables, systemTenant } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { Ledger, ledgerTables } from "../ledger/index.ts";
import { Net } from "../net/index.ts";
import type { PolicyFile } from "../policy/index.ts";
import { Policies, compilePolicies } from "../policy/index.ts";
import { Registry, registryTables } from "../registry/index.ts";
import type { Hook } from "../runs/index.ts";
import { Runs, runsTables } from "../runs/index.ts";
import type { Change, MemoryStore } from "../store/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { Upstreams } from "../upstream/index.ts";
import { Vault, vaultTables } from "../vault/index.ts";
import { Acts } from "./act.ts";
import { Admin } from "./admin.ts";
import { CredentialKeeper } from "./credential-keeper.ts";
import type { PolicyDesk } from "./house.ts";
import type { Method } from "../api/index.ts";
import { adminActions, routes } from "./routes.ts";
import { misfit } from "../api/index.ts";

/** What the integration tests of admin share: all rooms over a memory store, the API on a free port, and a strict client. */
export interface Office {
  readonly url: string;
  readonly store: MemoryStore;
  readonly identities: Identities;
  readonly registry: Registry;
  readonly vault: Vault;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly upstreams: Upstreams;
  readonly runs: Runs;
  readonly acts: Acts;
  readonly approvals: Approvals;
  readonly troubles: string[];
  /** Whether the default tenant's policies come from the file. */
  fileOwnsPolicies: boolean;
  /** What the node says it is trying for a call. */
  readonly trying: Map<string, Trying>;
  /** How the node's last probe of a tool went, by the tool's id. */
  readonly probed: Map<string, Probed>;
  /** API keys. */
  readonly admin: string;
  readonly agent: string;
  readonly systemAdmin: string;
  /** `agent/…` of the agent above. */
  readonly agentId: string;
  node(tenant?: TenantId): Principal;
  commit<T>(change: Result<Change<T>> | Promise<Result<Change<T>>>): Promise<T>;
  keyFor(tenant: TenantId, kind: PrincipalKind, name: string, roles: readonly string[]): Promise<string>;
  send(token: string | null, method: Method, path: string, body?: unknown): Promise<Reply>;
  /** Ends the API alone; `stop` still has to follow. */
  stopAdmin(): Promise<void>;
  stop(): Promise<void>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed when it is JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers; their shape is checked against the schema
  readonly body: any;
}

/** The node's defaults: administration by people with the role admin, calls by nobody. */
const fallback: PolicyFile = {
  path: "default.cedar",
  text: `@id("admins") permit (principal is Person in Role::"admin", action in Action::"admin", resource);`,
};

class Desk implements PolicyDesk {
  private readonly registry: Registry;
  private readonly held = new Map<TenantId, Policies>();

  constructor(registry: Registry) {
    this.registry = registry;
  }

  current(tenant: TenantId) {
    return this.of(tenant).updateCatalog(this.catalog(tenant));
  }

  compile(tenant: TenantId, files: readonly PolicyFile[]) {
    return compilePolicies({ files, catalog: this.catalog(tenant) });
  }

  trouble(tenant: TenantId) {
    const { problems } = this.of(tenant);
    return problems.length === 0 ? null : problems;
  }

  reload(tenant: TenantId): void {
    const active = this.registry.activePolicies(tenant);
    const files = active?.version.sources.map(({ name, text }) => ({ path: name, text })) ?? [fallback];
    this.of(tenant).load({ files, toolProblems: "deny" });
  }

  private of(tenant: TenantId): Policies {
    let policies = this.held.get(tenant);
    if (policies === undefined) {
      policies = new Policies({ catalog: this.catalog(tenant), listen: () => undefined });
      this.held.set(tenant, policies);
      this.reload(tenant);
    }
    return policies;
  }

  private catalog(tenant: TenantId) {
    return {
      tenants: [tenant],
      roles: [],
      adminActions,
      servers: this.registry.serversOf(tenant).map(({ id, name }) => ({ id, name })),
      tools: this.registry.toolsOf(tenant).map((tool) => ({
        id: tool.id,
        serverId: tool.server.id,
        inputSchema: tool.definition.inputSchema,
        class: tool.class.kind,
      })),
    };
  }
}

/** Starts nothing. */
const quietHook: Hook = {
  startsMax: 3,
  room: 1,
  isFor: () => true,
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
};

export async function openOffice(): Promise<Office> {
  const [clock, random] = [systemClock, systemRandom];
  const tables = [
    ...keyTables,
    ...identityTables,
    ...ledgerTables,
    ...registryTables,
    ...vaultTables,
    ...approvalTables,
    ...runsTables,
  ];
  const store = openMemoryStore({ tables, clock });
  await store.start();
  const keys = new Keys({ store, random, clock, kek: random.bytes(32) });
  await keys.start();
  const ledger = new Ledger({ store, keys, clock, installationId: "test" });
  await ledger.start();
  const identities = new Identities({ store, keys, clock, random });
  await identities.start();
  const commit: Office["commit"] = async (changing) => {
    const change = await changing;
    if (!change.ok) throw new Error(change.refusal.detail);
    const verdict = await store.commit(change.value.writes);
    if (verdict.verdict !== "done") throw new Error("guard failed");
    change.value.applied();
    return change.value.value;
  };
  const boot = await commit(identities.bootstrap());
  const node = (tenant: TenantId = defaultTenant): Principal => {
    const found = identities.node(tenant);
    if (!found.ok) throw new Error(found.refusal.detail);
    return found.value;
  };
  const keyOf = async (tenant: TenantId, id: string): Promise<string> => {
    const fresh = { label: "test", ttlMs: null };
    return (await commit(identities.issueApiKey(node(tenant), id as Principal["id"], fresh))).secret;
  };
  const keyFor: Office["keyFor"] = async (tenant, kind, name, roles) => {
    const make = { agent: "createAgent", person: "createPerson", service: "createService" } as const;
    const record = await commit(identities[make[kind]](node(tenant), { name, roles }));
    return keyOf(tenant, record.id);
  };
  const registry = new Registry({ store, clock, random });
  await registry.start();
  const vault = new Vault({ store, keys, clock });
  const acts = new Acts({ store, keys, ledger, clock, random });
  const net = new Net({ clock });
  net.start();
  const upstreams = new Upstreams({
    clock,
    random,
    net,
    reveal: (tenant, name) => vault.reveal(tenant, name),
    allowedFor: () => ["loopback"],
    credentials: new CredentialKeeper({ vault, identities, acts }),
    environment: {},
    workingDirectory: import.meta.dirname,
  });
  upstreams.start();
  const troubles: string[] = [];
  const shared = {
    fileOwnsPolicies: false,
    trying: new Map<string, Trying>(),
    probed: new Map<string, Probed>(),
  };
  const approvals = new Approvals({
    clock,
    random,
    store,
    keys,
    selfByDefault: false,
    urlOf: (id) => `${url}/approvals/${id}`,
    targets: () => [],
    onTrouble: (doing, thrown) => troubles.push(`${doing}: ${String(thrown)}`),
  });
  const hosting = {
    find: () => refuse({ code: "not-found" as const, detail: "This office has no hosted agents." }),
  };
  const runs = new Runs({
    clock,
    random,
    store,
    keys,
    ledger,
    hooks: new Map([["starter", quietHook]]),
    onDue: () => undefined,
    hostedOf: () => null,
    asksOf: (run) => approvals.ofRun(run),
  });
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
    policies: new Desk(registry),
    policiesComeFromFile: () => shared.fileOwnsPolicies,
    upstreams,
    runs,
    hosting,
    calls: {
      callsUnderWay: 0,
      trying: (call) => shared.trying.get(call) ?? null,
      probed: (tool) => shared.probed.get(tool) ?? null,
    },
    node: { name: "local", fence: 1, startedAt: clock.wall(), version: "0.0.0", runtime: "node" },
    ownUrl: () => url,
    leaseMs: 1_000,
    tables,
    onTrouble: (doing, thrown) => troubles.push(`${doing}: ${String(thrown)}`),
  });
  admin.start();
  const server = createServer((request, response) => {
    const isCallback = request.url?.startsWith("/oauth/callback") === true;
    void (isCallback ? admin.callback.handle(request, response) : admin.handle(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const agent = await keyFor(defaultTenant, "agent", "nobody", []);
  const found = identities.find(node(), "agent", "nobody");
  return Object.assign(shared, {
    url,
    store,
    identities,
    registry,
    vault,
    keys,
    ledger,
    upstreams,
    runs,
    acts,
    approvals,
    troubles,
    admin: await keyOf(defaultTenant, boot.default.admin.id),
    systemAdmin: await keyOf(systemTenant, boot.system.admin.id),
    agent,
    agentId: found.ok ? found.value.id : "",
    node,
    commit,
    keyFor,
    send: (token: string | null, method: Method, path: string, body?: unknown) =>
      send(url, token, method, path, body),
    stopAdmin: () => admin.stop(),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await admin.stop();
      await upstreams.stop();
      await net.stop();
      registry.stop();
      await identities.stop();
      await ledger.stop();
      await keys.stop();
      await store.stop();
    },
  });
}

/** Sends, and demands that an answer is what the route's schema says. */
async function send(
  url: string,
  token: string | null,
  method: Method,
  path: string,
  body?: unknown,
): Promise<Reply> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  const parsed: unknown = isJson ? JSON.parse(text) : text;
  if (response.ok) demandShape(method, path, response.status, parsed);
  return { status: response.status, headers: response.headers, text, body: parsed };
}

function demandShape(method: Method, path: string, status: number, body: unknown): void {
  const bare = path.split("?")[0] ?? path;
  const route = routes
    .filter((each) => each.method === method)
    .toSorted((a, b) => a.path.split("{").length - b.path.split("{").length)
    .find((each) => new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(bare));
  if (route === undefined) throw new Error(`no route ${method} ${bare}`);
  if (status !== route.answer.status) throw new Error(`${method} ${bare} answered ${status}`);
  const problem = misfit(route.answer.schema, body, "answer");
  if (problem !== null) throw new Error(`${method} ${bare}: ${problem.detail} ${JSON.stringify(body)}`);
}

/** Waits for what comes by itself within a minute. */
export async function eventually<T>(look: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < 1_200; tries++) {
    const found = await look();
    if (found !== null) return found;
    await delay(systemClock, 50);
  }
  throw new Error("it did not come within a minute");
}

/** Kinds, methods and outcomes of the tenant's newest entries, newest first. */
export async function newestEntries(office: Office, count: number): Promise<string[]> {
  const entries = await office.ledger.list(defaultTenant, { limit: count });
  return entries.map(({ entry }) => {
    const outcome = entry.outcome === null ? "none" : entry.outcome.kind;
    const code = entry.outcome !== null && "code" in entry.outcome ? ` ${entry.outcome.code}` : "";
    return `${entry.kind} ${entry.method} ${outcome}${code}`;
  });
}
