import { invariant, msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { ServerEntry, ToolEntry } from "./entries.ts";
import { exposedNameOf, lookalikeKey, reservedServerName } from "./exposed-name.ts";
import type { ServerId, Tool } from "./records.ts";

/** Two tools an agent could not tell apart; only `kept` is exposed. */
export interface Collision {
  readonly tool: Tool;
  readonly kept: string;
}

export interface ServerShelf {
  readonly entry: ServerEntry;
  readonly tools: ReadonlyMap<string, ToolEntry>;
  /** Look-alike key of each tool's name to the name. */
  readonly lookalikes: ReadonlyMap<string, string>;
}

interface Shelf extends ServerShelf {
  readonly tools: Map<string, ToolEntry>;
  readonly lookalikes: Map<string, string>;
}

interface TenantView {
  revision: number;
  servers: Map<string, ServerId>;
  exposed: Map<string, Tool>;
  /** Look-alike key of each exposed name to that name. */
  lookalikes: Map<string, string>;
  byId: Map<string, Tool>;
  ordered: readonly Tool[];
  collisions: readonly Collision[];
}

/** The registry's memory: what is durable, as Maps. Built anew per tenant on every change, which is rare; read on every call. */
export class Catalogue {
  private readonly shelves = new Map<ServerId, Shelf>();
  private readonly tenants = new Map<TenantId, TenantView>();
  private readonly unprefixed: ServerId | boolean;

  constructor(unprefixed: ServerId | boolean) {
    this.unprefixed = unprefixed;
  }

  clear(): void {
    this.shelves.clear();
    this.tenants.clear();
  }

  shelf(server: ServerId): ServerShelf | null {
    return this.shelves.get(server) ?? null;
  }

  serverIds(): readonly ServerId[] {
    return [...this.shelves.keys()];
  }

  /** Sorted by name. */
  serversOf(tenant: TenantId): readonly ServerShelf[] {
    return [...this.view(tenant).servers]
      .sort(([a], [b]) => compare(a, b))
      .map(([, id]) => this.shelves.get(id))
      .filter((shelf) => shelf !== undefined);
  }

  /**
   * Who comes first keeps a URI. Ids begin with the time a server was added; of two that were added in the same millisecond
   * either may be first, but it is always the same one.
   */
  enabledByAge(tenant: TenantId): readonly ServerShelf[] {
    return this.serversOf(tenant)
      .filter(({ entry }) => entry.record.enabled)
      .sort((a, b) => compare(a.entry.record.id, b.entry.record.id));
  }

  view(tenant: TenantId): Readonly<TenantView> {
    let view = this.tenants.get(tenant);
    if (view === undefined) {
      view = emptyView();
      this.tenants.set(tenant, view);
    }
    return view;
  }

  bump(tenant: TenantId): void {
    this.view(tenant);
    const view = this.tenants.get(tenant);
    invariant(view !== undefined, "a tenant's view is made on first sight");
    view.revision += 1;
  }

  /** `rebuild` false while loading: the loader rebuilds once at the end. */
  putServer(entry: ServerEntry, rebuild = true): void {
    const old = this.shelves.get(entry.record.id);
    const view = this.view(entry.record.tenant);
    if (old !== undefined) view.servers.delete(old.entry.record.name);
    view.servers.set(entry.record.name, entry.record.id);
    this.shelves.set(entry.record.id, {
      entry,
      tools: old?.tools ?? new Map(),
      lookalikes: old?.lookalikes ?? new Map(),
    });
    if (rebuild) this.rebuild(entry.record.tenant);
  }

  removeServer(id: ServerId): void {
    const shelf = this.shelves.get(id);
    if (shelf === undefined) return;
    this.shelves.delete(id);
    const { tenant, name } = shelf.entry.record;
    this.view(tenant).servers.delete(name);
    this.rebuild(tenant);
  }

  /** Of a server that was removed meanwhile nothing is kept. */
  putTools(server: ServerId, entries: readonly ToolEntry[], rebuild = true): void {
    const shelf = this.shelves.get(server);
    if (shelf === undefined) return;
    for (const entry of entries) {
      shelf.tools.set(entry.name, entry);
      shelf.lookalikes.set(lookalikeKey(entry.name), entry.name);
    }
    if (rebuild) this.rebuild(shelf.entry.record.tenant);
  }

  dropTool(server: ServerId, name: string): void {
    const shelf = this.shelves.get(server);
    if (shelf === undefined) return;
    shelf.tools.delete(name);
    shelf.lookalikes.delete(lookalikeKey(name));
    this.rebuild(shelf.entry.record.tenant);
  }

  rebuildAll(): void {
    for (const tenant of this.tenants.keys()) this.rebuild(tenant);
  }

  /** The name a tool of this server would be exposed under. */
  exposedName(server: ServerEntry, tool: string): string {
    return exposedNameOf(this.hasPrefix(server) ? server.record.name : null, tool);
  }

  /** What every exposed name of this server begins with; "" = it has no prefix. */
  prefixOf(server: ServerEntry): string {
    return this.hasPrefix(server) ? `${server.record.name}__` : "";
  }

  /** The exposed name that stands in the way of this one, or null. */
  takenBy(tenant: TenantId, exposedName: string): string | null {
    const key = lookalikeKey(exposedName);
    // Without a prefix a tool could otherwise pass for one of our own.
    if (key.startsWith(`${reservedServerName}__`)) return `${reservedServerName}__…`;
    return this.view(tenant).lookalikes.get(key) ?? null;
  }

  private hasPrefix(server: ServerEntry): boolean {
    if (this.unprefixed === true) return this.view(server.record.tenant).servers.size > 1;
    return this.unprefixed !== server.record.id;
  }

  private rebuild(tenant: TenantId): void {
    const old = this.view(tenant);
    const view: TenantView = { ...emptyView(), revision: old.revision + 1, servers: old.servers };
    this.tenants.set(tenant, view);
    const collisions: Collision[] = [];
    for (const { shelf, entry } of this.toolsByAge(view)) {
      const tool = this.toolOf(shelf.entry, entry, old.byId.get(`${shelf.entry.record.id}/${entry.name}`));
      view.byId.set(tool.id, tool);
      const kept = this.takenBy(tenant, tool.exposedName);
      if (kept === null) {
        view.exposed.set(tool.exposedName, tool);
        view.lookalikes.set(lookalikeKey(tool.exposedName), tool.exposedName);
      } else collisions.push({ tool, kept });
    }
    view.collisions = collisions;
    view.ordered = [...view.exposed.values()].sort(
      (a, b) => compare(a.server.name, b.server.name) || compare(a.name, b.name),
    );
  }

  /** Oldest first, because the first owner of a name keeps it. */
  private toolsByAge(view: TenantView): { shelf: Shelf; entry: ToolEntry }[] {
    const all: { shelf: Shelf; entry: ToolEntry }[] = [];
    for (const id of view.servers.values()) {
      const shelf = this.shelves.get(id);
      invariant(shelf !== undefined, "a named server has a shelf");
      for (const entry of shelf.tools.values()) all.push({ shelf, entry });
    }
    return all.sort(
      (a, b) =>
        msOf(a.entry.firstSeenAt) - msOf(b.entry.firstSeenAt) ||
        compare(a.shelf.entry.record.id, b.shelf.entry.record.id) ||
        compare(a.entry.name, b.entry.name),
    );
  }

  /** The same object as before when nothing about it changed, so that others may keep things by it. */
  private toolOf(server: ServerEntry, entry: ToolEntry, old: Tool | undefined): Tool {
    const exposedName = this.exposedName(server, entry.name);
    if (
      old !== undefined &&
      old.server === server.record &&
      old.exposedName === exposedName &&
      old.class === entry.class &&
      old.definition === entry.definition &&
      old.state === entry.state
    ) {
      return old;
    }
    return Object.freeze({
      kind: "tool",
      tenant: server.record.tenant,
      server: server.record,
      name: entry.name,
      exposedName,
      id: `${server.record.id}/${entry.name}`,
      class: entry.class,
      pin: entry.pin,
      definition: entry.definition,
      state: entry.state,
    });
  }
}

const emptyView = (): TenantView => ({
  revision: 1,
  servers: new Map(),
  exposed: new Map(),
  lookalikes: new Map(),
  byId: new Map(),
  ordered: [],
  collisions: [],
});

/** By code units: the same order on every machine and in every locale. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
