import type { Clock, Deadline } from "../../base/index.ts";
import { deadlineIn, Fault } from "../../base/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import type { Profile } from "../../registry/index.ts";
import type { UpstreamCount } from "../events.ts";
import type { UpstreamLimits } from "../limits.ts";
import type { Links } from "../lists/line-catalogue.ts";
import { seenProfile } from "../seen-profile.ts";
import type { ServerLink } from "../server-link.ts";
import type { Watch, Watches } from "./watches.ts";

export interface LineWatchesContext {
  readonly clock: Clock;
  readonly limits: UpstreamLimits;
  readonly links: Links;
  readonly watches: Watches;
  readonly serverName: () => string;
  readonly signal: AbortSignal;
  readonly onCount: (what: UpstreamCount) => void;
}

/** Makes the connections of one line hold what is watched at its server. */
export class LineWatches {
  private readonly context: LineWatchesContext;
  /** What a server refused on this connection is not asked of it again. */
  private readonly refused = new WeakMap<ServerLink, Set<string>>();
  /** Held for the first time just now: their watchers have missed nothing. */
  private readonly beginning = new Set<Watch>();
  private restoring: Promise<void> | null = null;

  constructor(context: LineWatchesContext) {
    this.context = context;
  }

  /** Resolves once the server tells of updates; a Fault when it does not. */
  async begin(watch: Watch, deadline: Deadline, signal: AbortSignal): Promise<void> {
    this.beginning.add(watch);
    try {
      await this.hold(watch, deadline, signal);
    } finally {
      this.beginning.delete(watch);
    }
  }

  /** Nobody watches this any more; another profile that the server cannot tell apart may. */
  release(watch: Watch): void {
    const link = this.context.links.standing(this.seen(watch.profile));
    if (link === null) return;
    const isHeldForOthers = this.on(link).some((other) => other !== watch && other.uri === watch.uri);
    if (!isHeldForOthers) link.release(watch.uri);
  }

  updated(link: ServerLink, uri: unknown): void {
    if (typeof uri === "string") this.context.watches.updated(this.on(link), uri);
  }

  /** Something may have been missed on this connection: whoever watches over it looks for himself. */
  missed(link: ServerLink, why: "stream" | "session"): void {
    if (why === "session") link.forgetSubscriptions();
    for (const watch of this.on(link)) this.context.watches.tell(watch, watch.uri);
    if (why === "session") this.restore();
  }

  /** Subscribes again to what no connection holds, and tells those watchers once. Never rejects; one at a time. */
  restore(): void {
    this.restoring ??= this.restoreAll().finally(() => (this.restoring = null));
  }

  private async hold(watch: Watch, deadline: Deadline, signal: AbortSignal): Promise<void> {
    const link = await this.context.links.link(this.seen(watch.profile), deadline, signal);
    await link.hold(watch.uri, deadline, signal);
  }

  private async restoreAll(): Promise<void> {
    const { links, watches } = this.context;
    const base = links.base();
    if (base === null) return;
    // A modern server is told all at once; a legacy one gets a request for each.
    const width = base.wire.era === "modern" ? Math.max(1, watches.size) : legacyWidth;
    const lost = watches.all().filter((watch) => !this.beginning.has(watch) && !this.isHeld(watch));
    for (let i = 0; i < lost.length && links.base() === base; i += width) {
      await Promise.all(lost.slice(i, i + width).map((watch) => this.holdAgain(watch)));
    }
  }

  private isHeld(watch: Watch): boolean {
    const link = this.context.links.standing(this.seen(watch.profile));
    return link !== null && (link.holds(watch.uri) || this.refused.get(link)?.has(watch.uri) === true);
  }

  private async holdAgain(watch: Watch): Promise<void> {
    const { clock, limits, links, signal, watches, onCount } = this.context;
    try {
      await this.hold(watch, deadlineIn(clock, limits.probeTimeoutMs), signal);
      if (watches.has(watch)) watches.tell(watch, watch.uri);
      else this.release(watch);
    } catch (error) {
      const link = links.standing(this.seen(watch.profile));
      if (link !== null && error instanceof Fault && error.code === "upstream-rejected")
        this.refuse(link, watch);
      onCount("failed-watch");
    }
  }

  private refuse(link: ServerLink, watch: Watch): void {
    const known = this.refused.get(link) ?? new Set<string>();
    this.refused.set(link, known.add(watch.uri));
  }

  /** The watches whose server tells them over this connection. */
  private on(link: ServerLink): readonly Watch[] {
    const all = this.context.watches.all();
    if (link.wire.era === "modern") return all;
    return all.filter((watch) => this.seen(watch.profile).key === link.profile.key);
  }

  /** One stream serves all watches of a modern server. */
  private seen(profile: Profile): Profile {
    const era = this.context.links.base()?.wire.era ?? "modern";
    return era === "modern" ? noCapabilities : seenProfile(profile, era);
  }
}

/** Subscriptions asked for beside each other. */
const legacyWidth = 16;
