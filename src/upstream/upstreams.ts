import type { Clock, Random } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import type { AddressScope, Net } from "../net/index.ts";
import type { Era, Features, Health, Profile, ServerId, ServerRecord } from "../registry/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { UpstreamEvent } from "./events.ts";
import type { UpstreamReply, UpstreamRequest } from "./exchange.ts";
import type { UpstreamLimits } from "./limits.ts";
import { defaultUpstreamLimits } from "./limits.ts";
import type { OfferedTool } from "./list-tools.ts";
import type { LineSnapshot } from "./server-line.ts";
import { Authorizations } from "./oauth/authorizations.ts";
import type { CredentialStore } from "./oauth/context.ts";
import { ServerLine } from "./server-line.ts";
import { Children } from "./stdio/children.ts";
import type { Watcher } from "./watch/watches.ts";
import { Watches } from "./watch/watches.ts";

export interface UpstreamsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  /** The value of a secret of the tenant's vault; asked at each connection, never kept longer than it. */
  readonly reveal: (tenant: TenantId, name: string) => Promise<string>;
  /** Beyond public addresses, where this server may lead. Default: nowhere. */
  readonly allowedFor?: (server: ServerRecord) => readonly AddressScope[];
  /** Where tokens of servers are kept. Left out, a server that wants OAuth cannot be connected to. */
  readonly credentials?: CredentialStore;
  /** From which children get PATH, HOME and the like, and nothing else (`pickEnvironment`). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where children run that name no directory. */
  readonly workingDirectory: string;
  readonly clientVersion?: string;
  readonly limits?: Partial<UpstreamLimits>;
  readonly onEvent?: (event: UpstreamEvent) => void;
}

type FeaturesListener = (
  serverId: ServerId,
  profile: Profile,
  features: Features,
  definitions: readonly OfferedTool[],
) => void;

/** All server lines of this node. `start` and `stop` may be called again; a stopped one can be started anew. */
export class Upstreams {
  private readonly options: UpstreamsOptions;
  private readonly limits: UpstreamLimits;
  private readonly children: Children;
  /** The tokens of servers that want one. */
  readonly authorizations: Authorizations;
  private readonly lines = new Map<ServerId, ServerLine>();
  /** Lines that were taken out and still drain or close. */
  private readonly leaving = new Map<ServerLine, Promise<void>>();
  /** Who watches what, per server. Outlives lines, because a changed record does not change what is wanted. */
  private readonly watches = new Map<ServerId, Watches>();
  private readonly featureListeners: FeaturesListener[] = [];
  private readonly goneListeners: ((serverId: ServerId, profile: Profile) => void)[] = [];
  private readonly healthListeners: ((serverId: ServerId, health: Health) => void)[] = [];
  private readonly eraListeners: ((serverId: ServerId, era: Era) => void)[] = [];
  private isRunning = false;

  constructor(options: UpstreamsOptions) {
    this.options = options;
    this.limits = { ...defaultUpstreamLimits, ...options.limits };
    this.authorizations = new Authorizations({
      clock: options.clock,
      random: options.random,
      net: options.net,
      reveal: options.reveal,
      allowedFor: options.allowedFor ?? (() => []),
      credentials: options.credentials ?? noCredentials,
    });
    this.children = new Children({
      clock: options.clock,
      limits: this.limits,
      environment: options.environment,
      workingDirectory: options.workingDirectory,
    });
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.children.start();
  }

  /** Ends every connection and every child process; finishes when none is left. */
  async stop(): Promise<void> {
    this.isRunning = false;
    const ending = [...this.lines.values()].map((line) => line.stop());
    this.lines.clear();
    for (const line of this.leaving.keys()) ending.push(line.stop()); // no more draining
    await Promise.allSettled([...ending, ...this.leaving.values()]);
    await this.children.stop();
  }

  /**
   * Makes the lines what `servers` says: new ones are connected (staggered), changed ones reconnected when the change concerns
   * the connection, missing and disabled ones drained and closed. Returns at once.
   */
  reconcile(servers: readonly ServerRecord[]): void {
    if (!this.isRunning) throw new Fault("shutting-down", "upstreams are not started");
    const wanted = new Map(servers.filter((server) => server.enabled).map((server) => [server.id, server]));
    for (const [id, line] of this.lines) {
      const record = wanted.get(id);
      if (record === undefined || !line.accepts(record)) this.takeOut(id, line);
    }
    this.authorizations.keepOnly(new Set(servers.map(({ id }) => id)));
    let staggerMs = 0;
    for (const [id, record] of wanted) {
      const line = this.lines.get(id);
      if (line !== undefined) {
        line.update(record);
        continue;
      }
      const added = this.makeLine(record);
      this.lines.set(id, added);
      added.start(staggerMs);
      staggerMs += this.limits.startStaggerMs;
    }
  }

  /** Not an async function on purpose: one promise per call is enough. */
  exchange(request: UpstreamRequest): Promise<UpstreamReply> {
    const line = this.lines.get(request.server.id);
    if (line === undefined) {
      const reason = this.isRunning ? "is not connected here" : "cannot be reached: this node is stopping";
      return Promise.reject(new Fault("tool-unavailable", `${request.server.name} ${reason}`));
    }
    return line.exchange(request);
  }

  /** Probes now, connecting if need be. Resolves with the health found; rejects for a server that has no line. */
  probeNow(serverId: ServerId): Promise<Health> {
    const line = this.lines.get(serverId);
    if (line === undefined) return Promise.reject(new Fault("not-found", "there is no such server here"));
    return line.probeNow();
  }

  /** null = no line for this server. */
  snapshot(serverId: ServerId): LineSnapshot | null {
    return this.lines.get(serverId)?.snapshot() ?? null;
  }

  get processCount(): number {
    return this.children.count;
  }

  /**
   * Asks the server what it offers to this profile, where that is not known, and resolves once `onFeatures` was told (again).
   * From then on it is told of changes too, until `onProfileGone`. Rejects with a Fault when the server is not connected or does
   * not answer in time.
   */
  async catalogueFor(serverId: ServerId, profile: Profile): Promise<void> {
    await this.lineOf(serverId).catalogueFor(profile);
  }

  /**
   * Tells `onUpdated` whenever the server says that this resource was updated, with the URI that the server named (it may be a part),
   * until the returned function is called. Watchers of the same resource share one subscription, which outlives connections: after
   * a reconnect each is told once, as something may have been missed. Rejects with a Fault when the server does not tell of updates
   * (`upstream-rejected`), is not connected, or too much is watched already.
   */
  async watchResource(
    serverId: ServerId,
    uri: string,
    profile: Profile,
    onUpdated: (uri: string) => void,
  ): Promise<() => void> {
    const line = this.lineOf(serverId);
    const watches = this.watchesOf(serverId, line.name);
    const watcher: Watcher = { onUpdated };
    const watch = watches.add(uri, profile, watcher);
    const stop = (): void => {
      if (watches.remove(watch, watcher)) this.lines.get(serverId)?.release(watch);
      if (watches.size === 0 && !this.lines.has(serverId)) this.watches.delete(serverId);
    };
    try {
      await line.hold(watch);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  /**
   * Told for the base profile (no capabilities) after each connection, for each other profile once somebody asked for it, and again
   * whenever what is offered differs from what was told last.
   */
  onFeatures(listener: FeaturesListener): void {
    this.featureListeners.push(listener);
  }

  /** What was told for this profile is not kept up to date any more: whoever needs it has to ask again. */
  onProfileGone(listener: (serverId: ServerId, profile: Profile) => void): void {
    this.goneListeners.push(listener);
  }

  /** Told when state, cause or reason change. */
  onHealth(listener: (serverId: ServerId, health: Health) => void): void {
    this.healthListeners.push(listener);
  }

  /** Told when a connection found another era than the record says. */
  onEra(listener: (serverId: ServerId, era: Era) => void): void {
    this.eraListeners.push(listener);
  }

  private makeLine(record: ServerRecord): ServerLine {
    return new ServerLine(record, {
      clock: this.options.clock,
      random: this.options.random,
      net: this.options.net,
      limits: this.limits,
      children: this.children,
      authorizations: this.authorizations,
      clientVersion: this.options.clientVersion ?? "0",
      reveal: this.options.reveal,
      allowedFor: this.options.allowedFor ?? (() => []),
      watches: this.watchesOf(record.id, record.name),
      onFeatures: (profile, features, definitions) => {
        for (const listener of this.featureListeners) listener(record.id, profile, features, definitions);
      },
      onProfileGone: (profile) => {
        for (const listener of this.goneListeners) listener(record.id, profile);
      },
      onHealth: (health) => {
        for (const listener of this.healthListeners) listener(record.id, health);
      },
      onEra: (era) => {
        for (const listener of this.eraListeners) listener(record.id, era);
      },
      onEvent: this.options.onEvent ?? (() => undefined),
    });
  }

  private lineOf(serverId: ServerId): ServerLine {
    const line = this.lines.get(serverId);
    if (line === undefined) throw new Fault("tool-unavailable", "the server is not connected here");
    return line;
  }

  private watchesOf(serverId: ServerId, serverName: string): Watches {
    let watches = this.watches.get(serverId);
    if (watches === undefined) {
      watches = new Watches(serverName, this.limits, this.options.clock);
      this.watches.set(serverId, watches);
    }
    return watches;
  }

  private takeOut(id: ServerId, line: ServerLine): void {
    this.lines.delete(id);
    if (this.watches.get(id)?.size === 0) this.watches.delete(id);
    this.leaving.set(
      line,
      line.retire().finally(() => this.leaving.delete(line)),
    );
  }
}

const noCredentials: CredentialStore = {
  read: async () => null,
  write: async () => {
    throw new Fault("config-invalid", "there is no place to keep a server's credential", { effect: "none" });
  },
};
