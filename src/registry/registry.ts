import type { Clock, Random, Result, Sha256Hex, WallMs } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Change, Store } from "../store/index.ts";
import type { FileApplication, FileSection } from "./apply-file.ts";
import { planFile, serversSection } from "./apply-file.ts";
import { callable, callableAt } from "./callable.ts";
import type { Collision, ServerShelf } from "./catalogue.ts";
import { Catalogue } from "./catalogue.ts";
import { Announcer } from "./announcer.ts";
import type { Changed } from "./changes.ts";
import { told } from "./changes.ts";
import type { ToolEntry } from "./entries.ts";
import { FeatureBook } from "./feature-book.ts";
import { Finder } from "./finder.ts";
import { Following } from "./following.ts";
import type { HealthTransition } from "./health.ts";
import { HealthBoard, combined } from "./health.ts";
import { Holdings } from "./holdings.ts";
import type { DefinitionVersion, ServerVersion } from "./history.ts";
import { definitionsOf, versionsOf } from "./history.ts";
import { appliedDigest, loadApplied, loadCatalogue } from "./load.ts";
import { LimitVersions } from "./limit-versions.ts";
import type { Offer } from "./offer.ts";
import { planOffer } from "./offer.ts";
import { OwnTools, isOwnTool } from "./own-tools.ts";
import type { RefusedFeature } from "./parse-features.ts";
import type { ActivePolicies, PolicySource, PolicyVersion } from "./policy-versions.ts";
import { PolicyVersions } from "./policy-versions.ts";
import type { Profile } from "./profile.ts";
import { homeOf, noCapabilities } from "./profile.ts";
import type { Era, Health, Pin, ServerId, ServerRecord, Tool, ToolClass } from "./records.ts";
import type { ServerInput } from "./server-input.ts";
import { differences } from "./reread.ts";
import * as servers from "./server-verbs.ts";
import type { Features, ListKind, Prompt, Resource, Subject } from "./subject.ts";
import { Subjects } from "./subjects.ts";
import { definitionTable } from "./tables.ts";
import type { ApprovedPin } from "./tool-verbs.ts";
import * as tools from "./tool-verbs.ts";
import type { Listed } from "./views.ts";
import { Views } from "./views.ts";

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** This server's tools are exposed without prefix; true = the only server's, as long as it is the only one. Default false. */
  readonly unprefixed?: ServerId | boolean;
  /** The store has forgotten changes that were followed here: only a new start knows what it holds. May be called again. */
  readonly onForgotten?: () => void;
}

/** See index.ts. Reads are answered from memory; verbs return what to commit and touch memory only in `applied`. */
export class Registry {
  /** How many calls callers may have under way, by tenant. */
  readonly limits: LimitVersions;
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly ground: { readonly clock: Clock; readonly random: Random };
  private readonly catalogue: Catalogue;
  private readonly health = new HealthBoard();
  private readonly policies: PolicyVersions;
  private applied = new Map<TenantId, string>();
  private readonly book = new FeatureBook();
  private readonly own = new OwnTools();
  private readonly announcer: Announcer;
  private readonly holdings: Holdings;
  private readonly views: Views;
  private readonly finder: Finder;
  private readonly following: Following;
  private isStarted = false;

  constructor(options: RegistryOptions) {
    this.store = options.store;
    this.clock = options.clock;
    this.random = options.random;
    this.ground = { clock: options.clock, random: options.random };
    const unprefixed = options.unprefixed ?? false;
    this.catalogue = new Catalogue(unprefixed);
    this.policies = new PolicyVersions(options.store);
    this.limits = new LimitVersions(options);
    const { catalogue, book, health } = this;
    this.announcer = new Announcer({ catalogue, book, health, clock: this.clock, unprefixed });
    this.holdings = new Holdings({ catalogue, book, health, announcer: this.announcer });
    const shared = { catalogue, book, subjects: new Subjects(catalogue) };
    this.views = new Views({
      ...shared,
      isUp: (server) => server.enabled && this.serverHealth(server.id).state !== "down",
      isCallable: (tool) => this.callable(tool).ok,
    });
    this.finder = new Finder({ ...shared, views: this.views });
    this.following = new Following({
      store: options.store,
      clock: options.clock,
      reread: (changed) => this.reread(changed),
      onForgotten: () => options.onForgotten?.(),
    });
  }

  /** Loads everything, then follows what other nodes change; rejects with the store's Fault. A second call does nothing. */
  async start(): Promise<void> {
    if (this.isStarted) return;
    this.catalogue.clear();
    await this.following.begin();
    await loadCatalogue(this.store, this.catalogue);
    this.applied = await loadApplied(this.store, serversSection);
    await this.policies.load();
    await this.limits.load();
    this.announcer.see();
    await this.following.catchUp(); // what changed while it was read
    this.following.start();
    this.isStarted = true;
  }

  stop(): void {
    this.isStarted = false;
    this.following.stop();
    this.announcer.clear();
    this.health.clear();
    this.book.clear();
    this.views.clear();
  }

  // Reading

  /** By exposed name, whatever its state; `callable` says whether it can be called. The hot path: two Map look-ups. Also a node's own. */
  toolNamed(tenant: TenantId, exposedName: string): Tool | null {
    return this.catalogue.view(tenant).exposed.get(exposedName) ?? this.own.named(tenant, exposedName);
  }

  /** By `<server id>/<upstream name>`; also finds tools that are not exposed because their name collides. */
  toolById(tenant: TenantId, id: string): Tool | null {
    return this.catalogue.view(tenant).byId.get(id) ?? this.own.byId(tenant, id);
  }

  /** All exposed tools in whatever state, by server name, then upstream name (code units). */
  toolsOf(tenant: TenantId): readonly Tool[] {
    return this.catalogue.view(tenant).ordered;
  }

  /**
   * Those of `toolsOf` that can be called now and that their servers offer to clients of this profile: what these may be shown.
   * Of a server that was not asked for the profile yet, what the base is offered. The same array until the revision grows.
   */
  callableToolsOf(tenant: TenantId, profile: Profile = noCapabilities): readonly Tool[] {
    return this.views.of(tenant, profile).tools;
  }

  /** As `callableToolsOf`. Of two servers that list one URI the older one has it. */
  resourcesOf(tenant: TenantId, profile: Profile): readonly Resource[] {
    return this.views.of(tenant, profile).resources;
  }

  /** Their `name` is the URI template. */
  templatesOf(tenant: TenantId, profile: Profile): readonly Resource[] {
    return this.views.of(tenant, profile).templates;
  }

  promptsOf(tenant: TenantId, profile: Profile): readonly Prompt[] {
    return this.views.of(tenant, profile).prompts;
  }

  /**
   * Where to read this URI; `callable` says whether it can be read. With `serverName` at that server: as it lists it, in a skill of
   * it, by a template of it, or unlisted when it has resources at all. Without: the server that lists it to this profile, or a skill
   * around it, the one that lists it to any other, the template that fits best, or the only server that has resources. null = nobody here is known to have it; so too for what
   * is not listed and has `.` or `..` among its segments.
   */
  resourceAt(
    tenant: TenantId,
    uri: string,
    serverName: string | null,
    profile: Profile = noCapabilities,
  ): Resource | null {
    return this.finder.resourceAt(tenant, uri, serverName, profile);
  }

  /** As `resourcesOf`: the resource of each skill's `SKILL.md`, whose definition is the skill's entry. */
  skillsOf(tenant: TenantId, profile: Profile): readonly Resource[] {
    return this.views.of(tenant, profile).skills;
  }

  /** As `resourceAt`, for a skill or a directory: null also where that server offers none. */
  skillAt(
    tenant: TenantId,
    uri: string,
    what: "skill" | "directory",
    serverName: string | null,
    profile: Profile = noCapabilities,
  ): Resource | null {
    return this.finder.skillAt(tenant, uri, what, serverName, profile);
  }

  /** By the exact text of the template. */
  templateAt(tenant: TenantId, uriTemplate: string, profile: Profile = noCapabilities): Resource | null {
    return this.finder.templateAt(tenant, uriTemplate, profile);
  }

  /**
   * By exposed name, whether its server is well or not. A server that nobody has listed yet, as after a start, is taken to have
   * every prompt under its prefix: it says so itself when it has not.
   */
  promptNamed(tenant: TenantId, exposedName: string, profile: Profile = noCapabilities): Prompt | null {
    return this.finder.promptNamed(tenant, exposedName, profile);
  }

  /** What enabled servers said of themselves to this profile (else to the base), by server name, well or not. */
  featuresOf(
    tenant: TenantId,
    profile: Profile,
  ): readonly { readonly server: ServerRecord; readonly features: Features }[] {
    return this.views.featuresOf(tenant, profile);
  }

  /** For administrators: what one server lists, to whichever profile, well or not. Of a server that is not there nothing. */
  listedBy(id: ServerId): Listed {
    const shelf = this.catalogue.shelf(id);
    if (shelf !== null) return this.views.listedBy(shelf);
    return { profiles: 0, resources: [], templates: [], prompts: [], skills: [] };
  }

  /** Connected servers whose lists for this profile are not known, or may have changed since they were. */
  lacksProfile(tenant: TenantId, profile: Profile): readonly ServerId[] {
    return this.serversOf(tenant).flatMap(({ id, enabled }) => {
      const { state } = this.serverHealth(id);
      const isConnected = enabled && (state === "healthy" || state === "degraded");
      return isConnected && this.book.lacks(id, profile) ? [id] : [];
    });
  }

  /** Tools that are known but not exposed, because an older one has a name like theirs. */
  collisionsOf(tenant: TenantId): readonly Collision[] {
    return this.catalogue.view(tenant).collisions;
  }

  serverNamed(tenant: TenantId, name: string): ServerRecord | null {
    const id = this.catalogue.view(tenant).servers.get(name);
    return id === undefined ? null : (this.catalogue.shelf(id)?.entry.record ?? null);
  }

  server(id: ServerId): ServerRecord | null {
    return this.catalogue.shelf(id)?.entry.record ?? null;
  }

  /** By name. */
  serversOf(tenant: TenantId): readonly ServerRecord[] {
    return this.catalogue.serversOf(tenant).map((shelf) => shelf.entry.record);
  }

  /** Classes declared with a server, by upstream name. */
  declaredClasses(id: ServerId): Readonly<Record<string, ToolClass>> {
    return this.catalogue.shelf(id)?.entry.settings.toolClasses ?? {};
  }

  /** Grows with everything that affects listing or calls in this tenant. Within this process only. */
  revision(tenant: TenantId): number {
    return this.catalogue.view(tenant).revision;
  }

  /** Called after the revision has grown. Returns how to stop listening. */
  onChange(listener: (tenant: TenantId) => void): () => void {
    return this.announcer.changes.add(listener);
  }

  /** Called after the revision has grown, with the lists that clients may now see differently. Returns how to stop listening. */
  onListChanged(listener: (tenant: TenantId, kinds: readonly ListKind[]) => void): () => void {
    return this.announcer.lists.add(listener);
  }

  /** Called after another node has put other policies in force. Returns how to stop listening. */
  onPoliciesFollowed(listener: (tenant: TenantId) => void): () => void {
    return this.announcer.policies.add(listener);
  }

  /** Resolves when what other nodes had changed before holds here. A running registry does so by itself every 500 ms. */
  catchUp(): Promise<void> {
    return this.following.catchUp();
  }

  // Health

  onHealth(listener: (transition: HealthTransition) => void): () => void {
    return this.announcer.healths.add(listener);
  }

  /** Of a server that was removed meanwhile nothing is kept. */
  reportHealth(id: ServerId, health: Health): void {
    const record = this.server(id);
    if (record === null) return;
    const from = this.serverHealth(id);
    if (this.health.putServer(id, health)) this.announcer.moved(record, null, from, this.serverHealth(id));
  }

  /** `healthy` takes the tool's own trouble back. */
  reportToolHealth(tool: Tool, health: Health): void {
    const from = this.ownHealthOf(tool);
    if (from === null && health.state === "healthy") return; // so it is with nearly every call
    const record = this.server(tool.server.id);
    if (record === null) return;
    if (this.health.putTool(record.id, tool.name, health))
      this.announcer.moved(record, tool.id, from, health);
  }

  /** `connecting` until something is reported. */
  serverHealth(id: ServerId): Health {
    return this.health.server(id, this.clock.wall());
  }

  /** A tool's is the worse of its server's and its own; resources and prompts have their server's. */
  healthOf(subject: Subject): Health {
    if (isOwnTool(subject.id)) return { state: "healthy", since: this.clock.wall() };
    const server = this.serverHealth(subject.server.id);
    return subject.kind === "tool" ? combined(server, this.ownHealthOf(subject)) : server;
  }

  /** Of the tool apart from its server; null = nothing is known against it. */
  ownHealthOf(tool: Tool): Health | null {
    return this.health.tool(tool.server.id, tool.name);
  }

  /** Answers for the subject as it is now, also when the one passed in is older. Only `down` refuses; see callable.ts. */
  callable(subject: Tool): Result<Tool>;
  callable(subject: Subject): Result<Subject>;
  callable(subject: Subject): Result<Subject> {
    if (subject.kind === "tool") {
      if (isOwnTool(subject.id)) return ok(subject);
      return this.callableTool(subject, this.ownHealthOf(subject));
    }
    const server = this.server(subject.server.id);
    if (server?.tenant === subject.tenant) {
      const now = subject.server === server ? subject : { ...subject, server };
      return callableAt(now, this.healthOf(now));
    }
    const code = subject.kind === "resource" ? "unknown-resource" : "unknown-prompt";
    return refuse({ code, detail: `The server of "${subject.exposedName}" is not here any more.` });
  }

  /** Whether it may be probed: as `callable`, but for what is known against the tool itself, which a probe is to find out anew. */
  probeable(tool: Tool): Result<Tool> {
    return this.callableTool(tool, null);
  }

  // Verbs on servers

  addServer(tenant: TenantId, input: ServerInput): Result<Change<ServerRecord>> {
    const now = this.clock.wall();
    const added = servers.addServer(this.holdings.servers, tenant, input, "api", now, this.random);
    return added.ok ? ok(this.ofServer(added.value.value.id, added.value)) : added;
  }

  changeServer(tenant: TenantId, id: ServerId, patch: Partial<ServerInput>): Result<Change<ServerRecord>> {
    const shelf = this.ownedByApi(tenant, id);
    if (!shelf.ok) return shelf;
    const changed = servers.changeServer(this.holdings.servers, shelf.value.entry, patch, this.clock.wall());
    return changed.ok ? ok(this.ofServer(id, changed.value)) : changed;
  }

  setServerEnabled(tenant: TenantId, id: ServerId, enabled: boolean): Result<Change<ServerRecord>> {
    return this.changeServer(tenant, id, { enabled });
  }

  removeServer(tenant: TenantId, id: ServerId): Result<Change<ServerRecord>> {
    const shelf = this.ownedByApi(tenant, id);
    if (!shelf.ok) return shelf;
    return ok(
      this.ofServer(id, servers.removeServer(this.holdings.servers, shelf.value.entry, this.clock.wall())),
    );
  }

  /** What the first connection found out. No writes when it is known or configured; the record's version stays. */
  rememberEra(id: ServerId, era: Era): Result<Change<ServerRecord>> {
    const shelf = this.catalogue.shelf(id);
    if (shelf === null) return notFound("server");
    return ok(this.ofServer(id, servers.rememberEra(this.holdings.servers, shelf.entry, era)));
  }

  applyFile(tenant: TenantId, section: FileSection): Result<FileApplication> {
    const memory = {
      ...this.holdings.servers,
      shelves: (tenant: TenantId) => this.catalogue.serversOf(tenant),
      applied: (tenant: TenantId) => this.applied.get(tenant) ?? null,
      putApplied: (tenant: TenantId, digest: string) => void this.applied.set(tenant, digest),
      putTools: (server: ServerId, entries: readonly ToolEntry[]) => this.holdings.putTools(server, entries),
    };
    const planned = planFile(memory, tenant, section, this.clock.wall(), this.random);
    if (!planned.ok) return planned;
    return ok(
      planned.value.map((change) =>
        change.value.id === null
          ? told(change, { kind: "file", tenant }, this.ground)
          : this.ofServer(change.value.id, change),
      ),
    );
  }

  // Verbs on tools

  /**
   * What a server answered to `tools/list` for this profile, all pages together, as it was parsed. Nothing it may contain makes
   * this throw. Comes after `offerFeatures` with the same list, so that what other profiles are offered is known.
   */
  async offer(
    id: ServerId,
    definitions: readonly unknown[],
    profile: Profile = noCapabilities,
    at: WallMs = this.clock.wall(),
  ): Promise<Result<Offer>> {
    const shelf = this.catalogue.shelf(id);
    if (shelf === null) return notFound("server");
    const offer = await planOffer({
      catalogue: this.catalogue,
      shelf,
      definitions,
      home: homeOf(profile),
      namedElsewhere: (tool) => this.namedElsewhere(id, tool, profile),
      at,
      wasSeen: async (tool, pin) =>
        (await this.store.get(definitionTable, { server: id, tool, pin })) !== null,
      put: (entries) => this.holdings.putTools(id, entries),
    });
    return ok({ ...offer, changes: offer.changes.map((change) => this.ofServer(id, change)) });
  }

  /**
   * What a server offers to a profile, as it said it. Kept in memory only. Returns what cannot be shown; nothing it may contain
   * makes this throw. Of a server that was removed meanwhile nothing is kept.
   */
  offerFeatures(id: ServerId, profile: Profile, features: Features): readonly RefusedFeature[] {
    const record = this.server(id);
    if (record === null) return [];
    const refused = this.book.put(id, profile, features);
    this.catalogue.bump(record.tenant);
    this.announcer.changed(record.tenant, id);
    return refused;
  }

  /** What this profile is offered is not kept up to date any more: `lacksProfile` names the server until it is offered again. */
  outdateFeatures(id: ServerId, profile: Profile): void {
    this.book.outdate(id, profile);
  }

  approvePin(tool: Tool, pin: Pin): Result<Change<ApprovedPin>> {
    const found = this.entryOf(tool);
    if (!found.ok) return found;
    const { shelf, entry } = found.value;
    const approved = tools.approvePin(shelf, entry, pin, this.clock.wall(), (entry) =>
      this.holdings.putTools(tool.server.id, [entry]),
    );
    return approved.ok ? ok(this.ofServer(tool.server.id, approved.value)) : approved;
  }

  setClass(tool: Tool, toolClass: ToolClass): Result<Change<ToolClass>> {
    const found = this.entryOf(tool);
    if (!found.ok) return found;
    const { shelf, entry } = found.value;
    const set = tools.setClass(shelf, entry, toolClass, (entry) =>
      this.holdings.putTools(tool.server.id, [entry]),
    );
    return set.ok ? ok(this.ofServer(tool.server.id, set.value)) : set;
  }

  /** Only for a tool that is gone. */
  async forgetTool(tool: Tool): Promise<Result<Change<{ readonly since: WallMs }>>> {
    const found = this.entryOf(tool);
    if (!found.ok) return found;
    const forgotten = await tools.forgetTool(this.store, found.value.shelf, found.value.entry, () => {
      this.catalogue.dropTool(tool.server.id, tool.name);
      this.announcer.changed(tool.tenant, tool.server.id);
    });
    return forgotten.ok ? ok(this.ofServer(tool.server.id, forgotten.value)) : forgotten;
  }

  definitionsOf(tool: Tool): Promise<readonly DefinitionVersion[]> {
    return definitionsOf(this.store, tool.server.id, tool.name);
  }

  versionsOf(server: ServerRecord, limit: number, before?: number): Promise<readonly ServerVersion[]> {
    return versionsOf(this.store, server.id, limit, before);
  }

  // Policy versions

  activePolicies(tenant: TenantId): ActivePolicies | null {
    return this.policies.activeOf(tenant);
  }

  policyVersion(tenant: TenantId, digest: Sha256Hex): Promise<PolicyVersion | null> {
    return this.policies.version(tenant, digest);
  }

  policyVersions(tenant: TenantId, limit: number, after?: Sha256Hex): Promise<readonly PolicyVersion[]> {
    return this.policies.list(tenant, limit, after);
  }

  async putPolicies(
    tenant: TenantId,
    sources: readonly PolicySource[],
  ): Promise<Result<Change<PolicyVersion>>> {
    return this.ofPolicies(tenant, await this.policies.put(tenant, sources, this.clock.wall()));
  }

  async activatePolicies(tenant: TenantId, digest: Sha256Hex): Promise<Result<Change<PolicyVersion>>> {
    return this.ofPolicies(tenant, await this.policies.activate(tenant, digest, this.clock.wall()));
  }

  private callableTool({ tenant, id, exposedName }: Tool, own: Health | null): Result<Tool> {
    const now = this.catalogue.view(tenant).byId.get(id);
    if (now !== undefined) return callable(now, this.serverHealth(now.server.id), own);
    return refuse({ code: "unknown-tool", detail: `There is no tool "${exposedName}" any more.` });
  }

  private ofServer<T>(server: ServerId, change: Change<T>): Change<T> {
    return told(change, { kind: "server", server }, this.ground);
  }

  private ofPolicies<T>(tenant: TenantId, change: Result<Change<T>>): Result<Change<T>> {
    return change.ok ? ok(told(change.value, { kind: "policies", tenant }, this.ground)) : change;
  }

  private async reread(changed: Changed): Promise<void> {
    switch (changed.kind) {
      case "server": {
        const { server, tools, dropped } = await differences(this.store, this.catalogue, changed.server);
        if (server === "gone") {
          const entry = this.catalogue.shelf(changed.server)?.entry;
          if (entry !== undefined) this.holdings.drop(entry);
          return;
        }
        if (server !== null) this.holdings.putServer(server);
        for (const name of dropped) this.catalogue.dropTool(changed.server, name);
        if (tools.length > 0 || dropped.length > 0) this.holdings.putTools(changed.server, tools);
        return;
      }
      case "policies":
        if (!(await this.policies.reread(changed.tenant))) return;
        this.announcer.policies.tell(changed.tenant);
        return;
      case "limits":
        return this.limits.reread(changed.tenant);
      case "file": {
        const digest = await appliedDigest(this.store, changed.tenant, serversSection);
        if (digest !== null) this.applied.set(changed.tenant, digest);
      }
    }
  }

  /** The base first; undefined = no list of another profile names this tool. */
  private namedElsewhere(id: ServerId, tool: string, profile: Profile): string | null | undefined {
    const other = this.book
      .all(id)
      .find((offering) => offering.profile.key !== profile.key && offering.tools.has(tool));
    return other === undefined ? undefined : homeOf(other.profile);
  }

  private ownedByApi(tenant: TenantId, id: ServerId): Result<ServerShelf> {
    const shelf = this.catalogue.shelf(id);
    // Another tenant's server and a missing one look the same.
    if (shelf === null || shelf.entry.record.tenant !== tenant) return notFound("server");
    if (shelf.entry.record.origin === "api") return ok(shelf);
    return refuse({
      code: "conflict",
      detail: `The server "${shelf.entry.record.name}" comes from the configuration file. Change it there.`,
    });
  }

  private entryOf(tool: Tool): Result<{ shelf: ServerShelf; entry: ToolEntry }> {
    const shelf = this.catalogue.shelf(tool.server.id);
    const entry = shelf?.tools.get(tool.name);
    if (shelf === null || entry === undefined || shelf.entry.record.tenant !== tool.tenant) {
      return notFound("tool");
    }
    return ok({ shelf, entry });
  }
}

const notFound = (what: "server" | "tool"): Result<never> =>
  refuse({ code: "not-found", detail: `There is no such ${what}.` });
