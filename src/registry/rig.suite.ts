import type { Result } from "../base/index.ts";
import { ManualClock, seededRandom } from "../base/index.ts";
import { defaultTenant } from "../identity/index.ts";
import type { Change } from "../store/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/memory/index.ts";
import type { MemoryStore } from "../store/memory/index.ts";
import { registryTables } from "./index.ts";
import type {
  Features,
  Offer,
  OfferReport,
  Profile,
  RegistryOptions,
  ServerId,
  ServerInput,
  ServerRecord,
  Tool,
} from "./index.ts";
import { Registry } from "./index.ts";

/** A registry on a memory store, and someone who commits its changes the way the admin room does. */
export class Rig {
  readonly clock = new ManualClock();
  readonly database: MemoryDatabase;
  store: MemoryStore;
  registry: Registry;
  private opened = 0; // no process draws what another drew
  private readonly options: Partial<RegistryOptions>;

  constructor(options: Partial<RegistryOptions> = {}, database = new MemoryDatabase(registryTables)) {
    this.options = options;
    this.database = database;
    this.store = openMemoryStore({ tables: registryTables, clock: this.clock, database });
    this.registry = this.open();
  }

  static async started(options: Partial<RegistryOptions> = {}): Promise<Rig> {
    const rig = new Rig(options);
    await rig.store.start();
    await rig.registry.start();
    return rig;
  }

  /** Another process on the same data. */
  async restart(options: Partial<RegistryOptions> = this.options): Promise<void> {
    this.registry.stop();
    await this.store.stop();
    this.store = openMemoryStore({ tables: registryTables, clock: this.clock, database: this.database });
    await this.store.start();
    this.registry = this.open(options);
    await this.registry.start();
  }

  /** Commits and applies, or throws what went wrong. */
  async commit<T>(result: Result<Change<T>> | Promise<Result<Change<T>>>): Promise<T> {
    const change = value(await result);
    if (!(await this.tryCommit(change))) throw new Error("guard failed");
    return change.value;
  }

  /** False when a guard did not hold. */
  async tryCommit(change: Change<unknown>): Promise<boolean> {
    if (change.writes.length > 0) {
      const verdict = await this.store.commit(change.writes);
      if (verdict.verdict === "guard-failed") return false;
    }
    change.applied();
    return true;
  }

  add(name: string, input: Partial<ServerInput> = {}): Promise<ServerRecord> {
    return this.commit(this.registry.addServer(defaultTenant, { name, transport: stdio(), ...input }));
  }

  async offer(id: ServerId, definitions: readonly unknown[], profile?: Profile): Promise<OfferReport> {
    const offer: Offer = value(await this.registry.offer(id, definitions, profile));
    for (const change of offer.changes) await this.commit({ ok: true, value: change });
    return offer.report;
  }

  /** Everything a server says to one profile, as it comes in from a connection. */
  async listed(
    id: ServerId,
    profile: Profile,
    definitions: readonly object[],
    lists: Partial<Features> = {},
  ) {
    const tools = definitions.flatMap((each) => ("name" in each ? [String(each.name)] : []));
    const refused = this.registry.offerFeatures(id, profile, features({ ...lists, tools }));
    return { refused, report: await this.offer(id, definitions, profile) };
  }

  tool(exposedName: string): Tool {
    const tool = this.registry.toolNamed(defaultTenant, exposedName);
    if (tool === null) throw new Error(`no tool ${exposedName}`);
    return tool;
  }

  private open(options: Partial<RegistryOptions> = this.options): Registry {
    return new Registry({
      store: this.store,
      clock: this.clock,
      random: seededRandom(this.opened++),
      ...options,
    });
  }
}

export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.refusal.code}: ${result.refusal.detail}`);
  return result.value;
}

export const codeOf = (result: Result<unknown>): string => (result.ok ? "ok" : result.refusal.code);

export const stdio = (command = "server"): ServerInput["transport"] => ({
  kind: "stdio",
  command,
  args: [],
  env: {},
  cwd: null,
});

export const definition = (name: string, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  name,
  description: `Does ${name}.`,
  inputSchema: { type: "object", properties: { path: { type: "string" }, count: { type: "integer" } } },
  ...rest,
});

/** What a server with these lists says of itself; nothing it leaves out. */
export const features = (lists: Partial<Features> = {}): Features => ({
  capabilities: { tools: {}, resources: {}, prompts: {} },
  serverInfo: { name: "test", version: "1" },
  instructions: null,
  tools: [],
  resources: [],
  templates: [],
  prompts: [],
  skills: [],
  ttlMs: null,
  ...lists,
});

export const resource = (uri: string, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  uri,
  name: uri.slice(uri.lastIndexOf("/") + 1),
  ...rest,
});

export const template = (uriTemplate: string): Record<string, unknown> => ({ uriTemplate, name: "some" });

export const prompt = (name: string, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  name,
  description: `Asks for ${name}.`,
  ...rest,
});
