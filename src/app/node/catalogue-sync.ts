import type { Clock } from "../../base/index.ts";
import { explain } from "../../base/index.ts";
import type { Acts } from "../../admin/index.ts";
import type { Identities, TenantId } from "../../identity/index.ts";
import type { Features, HealthTransition, Profile, Registry, ServerId } from "../../registry/index.ts";
import type { Change } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Upstreams } from "../../upstream/index.ts";
import type { UpstreamEvent } from "../../upstream/index.ts";

export interface CatalogueSyncOptions {
  readonly clock: Clock;
  readonly registry: Registry;
  readonly upstreams: Upstreams;
  readonly identities: Identities;
  readonly acts: Acts;
  readonly log: Log;
  readonly tenants: () => readonly TenantId[];
}

/** Changes of records arrive in bursts (a file with forty servers); the lines are brought up to date once, shortly after. */
const reconcileDelayMs = 10;
/** What a server offers and could not be written down is tried again: else a changed tool would stay callable after all. */
const offerAgainMs = 1_000;

interface OfferedTools {
  readonly profile: Profile;
  readonly definitions: readonly unknown[];
}

/** Carries what servers say to the registry, and what the registry says to the connections. Every change leaves an entry. */
export class CatalogueSync {
  private readonly options: CatalogueSyncOptions;
  /** Per server, what it offers is written one after the other. */
  private readonly tails = new Map<ServerId, Promise<unknown>>();
  /** The newest list of each server and profile that could not be written down yet. */
  private readonly unwritten = new Map<ServerId, Map<string, OfferedTools>>();
  private cancelReconcile: (() => void) | null = null;
  private cancelOffers: (() => void) | null = null;
  private isStopped = false;
  private stopListening: () => void = () => {};

  constructor(options: CatalogueSyncOptions) {
    this.options = options;
  }

  start(): void {
    const { registry, upstreams } = this.options;
    upstreams.onFeatures((id, profile, features, definitions) => {
      this.show(id, profile, features);
      this.take(id, { profile, definitions });
    });
    upstreams.onProfileGone((id, profile) => registry.outdateFeatures(id, profile));
    upstreams.onEra((id, era) =>
      this.after(id, () =>
        this.record(id, "admin.server.remember-era", registry.rememberEra(id, era), { era }),
      ),
    );
    upstreams.onHealth((id, health) => registry.reportHealth(id, health));
    const stopChanges = registry.onChange(() => this.reconcileSoon());
    const stopHealth = registry.onHealth((transition) => this.logTool(transition));
    this.stopListening = () => {
      stopChanges();
      stopHealth();
    };
    this.reconcile();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.stopListening();
    this.cancelReconcile?.();
    this.cancelOffers?.();
    await Promise.allSettled(this.tails.values());
  }

  /** Resolves once all that this server has said so far is on record, or could not be written: what it offers is called by the record. */
  async recorded(id: ServerId): Promise<void> {
    await this.tails.get(id);
  }

  /** A connection is made with the server's own credential, under the node's name, and leaves an entry. */
  onEvent(event: UpstreamEvent): void {
    const { log, registry } = this.options;
    const server = registry.server(event.serverId)?.name ?? event.serverId;
    switch (event.kind) {
      case "connected": {
        const { era, tookMs } = event;
        log.info("connected to a server", { server, era, tookMs });
        this.after(event.serverId, () =>
          this.record(event.serverId, "admin.server.connect", { ok: true, value: nothing }, { era }),
        );
        break;
      }
      case "lost":
        log.warn("lost a server", { server, reason: event.reason });
        break;
      case "stderr":
        log.debug("a server wrote to stderr", { server, line: event.line });
        break;
      case "counted":
        log.debug("a server did something odd", { server, what: event.what });
        break;
    }
  }

  /** That a server is lost is told of as an event of its connection. A flaw can come and go with each call, and stands beside it. */
  private logTool({ server: id, tool, from, to }: HealthTransition): void {
    if (tool === null) return;
    const { log, registry } = this.options;
    const about = { server: registry.server(id)?.name ?? id, tool };
    if (to.state === "down") log.warn("a tool is down", { ...about, cause: to.cause, reason: to.reason });
    else if (from?.state === "down") log.info("a tool can be called again", about);
  }

  private reconcileSoon(): void {
    if (this.cancelReconcile !== null || this.isStopped) return;
    this.cancelReconcile = this.options.clock.after(reconcileDelayMs, () => {
      this.cancelReconcile = null;
      this.reconcile();
    });
  }

  private reconcile(): void {
    if (this.isStopped) return;
    const { registry, upstreams, tenants } = this.options;
    upstreams.reconcile(tenants().flatMap((tenant) => [...registry.serversOf(tenant)]));
  }

  private after(id: ServerId, work: () => Promise<unknown>): void {
    if (this.isStopped) return;
    const tail: Promise<unknown> = (this.tails.get(id) ?? Promise.resolve())
      .then(work)
      .catch((thrown: unknown) => {
        this.options.log.error("what a server said could not be recorded", {
          server: id,
          reason: explain(thrown),
        });
      });
    this.tails.set(id, tail);
    void tail.then(() => {
      if (this.tails.get(id) === tail) this.tails.delete(id);
    });
  }

  /** At once, and before its tools are offered: the registry then knows which other profiles are still offered a tool. */
  private show(id: ServerId, profile: Profile, features: Features): void {
    const { registry, log } = this.options;
    const server = registry.server(id)?.name ?? id;
    for (const { kind, name, reason } of registry.offerFeatures(id, profile, features))
      log.warn("what a server offers cannot be shown", { server, kind, name, reason });
  }

  private take(id: ServerId, offered: OfferedTools): void {
    const lists = this.unwritten.get(id) ?? new Map<string, OfferedTools>();
    this.unwritten.set(id, lists);
    const { key } = offered.profile;
    lists.set(key, offered);
    this.after(id, async () => {
      try {
        const isWritten = await this.offer(id, offered);
        if (isWritten && lists.get(key) === offered) lists.delete(key);
      } finally {
        if (lists.get(key) === offered) this.takeAgainLater();
        if (lists.size === 0 && this.unwritten.get(id) === lists) this.unwritten.delete(id);
      }
    });
  }

  private takeAgainLater(): void {
    if (this.cancelOffers !== null || this.isStopped) return;
    this.cancelOffers = this.options.clock.after(offerAgainMs, () => {
      this.cancelOffers = null;
      for (const [id, lists] of this.unwritten) for (const offered of lists.values()) this.take(id, offered);
    });
  }

  /** False = something of it is not on record. */
  private async offer(id: ServerId, { profile, definitions }: OfferedTools): Promise<boolean> {
    const { registry, log } = this.options;
    const offer = await registry.offer(id, definitions, profile);
    if (!offer.ok) return true; // the server was removed meanwhile
    let isWritten = true;
    const server = registry.server(id)?.name ?? id;
    const { changes, report } = offer.value;
    for (const { name, reason } of report.refused)
      log.warn("a tool cannot be offered", { server, tool: name, reason });
    for (const change of changes) {
      const { added, changed, restored, gone } = change.value;
      const isRecorded = await this.record(
        id,
        "admin.tool.offer",
        { ok: true, value: change },
        {
          added: added.map(({ name, pin }) => ({ name, pin })),
          changed: changed.map(({ name, pin, offeredPin }) => ({ name, pin, offeredPin })),
          restored,
          gone,
        },
      );
      isWritten &&= isRecorded;
    }
    if (!isWritten) return false;
    for (const { name } of report.changed) {
      log.warn("a tool's definition changed; it is quarantined until someone approves the difference", {
        server,
        tool: name,
      });
    }
    return true;
  }

  /** False = it should have been recorded and is not. */
  private async record<T>(
    id: ServerId,
    action: string,
    change: { readonly ok: true; readonly value: Change<T> } | { readonly ok: false },
    note: Readonly<Record<string, unknown>>,
  ): Promise<boolean> {
    const { registry, identities, acts, log } = this.options;
    const server = registry.server(id);
    if (!change.ok || server === null) return true;
    const node = identities.node(server.tenant);
    if (!node.ok) return true;
    const done = await acts.perform({ actor: node.value, action, decision: null }, id, change.value, note);
    if (!done.ok) {
      const { code } = done.refusal;
      const about = { server: server.name, action, code };
      // Nodes that start at once learn the same of a server at once. One has recorded it, and the others read it there.
      if (code === "conflict") log.debug("another node was faster to record a change of a server", about);
      else log.error("a change of a server was not recorded", about);
    }
    return done.ok;
  }
}

const nothing: Change<null> = { writes: [], value: null, applied: () => {} };
