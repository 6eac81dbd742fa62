import type { Clock, Deadline } from "../../base/index.ts";
import { deadlineIn, Fault } from "../../base/index.ts";
import type { Profile } from "../../registry/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import type { UpstreamCount } from "../events.ts";
import type { UpstreamLimits } from "../limits.ts";
import { seenProfile } from "../seen-profile.ts";
import type { ServerLink } from "../server-link.ts";
import { Catalogues } from "./catalogues.ts";
import type { Listed } from "./read-catalogue.ts";

/** Where a line's connections are; both eras look the same from here. */
export interface Links {
  /** null = the server is not connected. */
  base(): ServerLink | null;
  /** The connection that serves this profile (as the server sees it), opened if need be. */
  link(seen: Profile, deadline: Deadline, signal: AbortSignal): Promise<ServerLink>;
  /** null = it would have to be opened. */
  standing(seen: Profile): ServerLink | null;
}

export interface LineCatalogueContext {
  readonly clock: Clock;
  readonly limits: UpstreamLimits;
  readonly links: Links;
  readonly serverName: () => string;
  /** Aborts when the line ends. */
  readonly signal: AbortSignal;
  readonly onListed: (profile: Profile, listed: Listed) => void;
  readonly onGone: (profile: Profile) => void;
  readonly onCount: (what: UpstreamCount) => void;
}

/** Profiles beside the base are listed this much more rarely, where the server says nothing of changes. */
const otherProfilesFactor = 5;
/** Listings beside each other after a change. */
const relistWidth = 4;

/** One server's catalogue for each profile that somebody asked for, kept up to date. */
export class LineCatalogue {
  private readonly context: LineCatalogueContext;
  private readonly catalogues: Catalogues;
  /** Per profile as the server sees it, the listing that runs or waits. */
  private readonly running = new Map<string, Promise<void>>();
  private relisting: Promise<void> = Promise.resolve();
  private isStale = false;
  /** Profiles, as the server sees them, that were listed before the last change. */
  private readonly outdated = new Set<string>();

  constructor(context: LineCatalogueContext) {
    this.context = context;
    this.catalogues = new Catalogues({
      clock: context.clock,
      limits: context.limits,
      seenAs: (profile) => seenProfile(profile, context.links.base()?.wire.era ?? "modern"),
      onListed: context.onListed,
      onGone: context.onGone,
    });
  }

  get size(): number {
    return this.catalogues.size;
  }

  base(): Listed | null {
    return this.catalogues.of(noCapabilities);
  }

  /** A new connection has made this listing. */
  begin(listed: Listed): void {
    this.catalogues.reset();
    this.takeBase(listed);
    this.relistOthers("changed");
  }

  /** The server said that something changed: with the next listing of the base the others are listed too. */
  stale(): void {
    this.isStale = true;
  }

  takeBase(listed: Listed): void {
    const before = this.base();
    const isChanged = this.catalogues.put(noCapabilities, listed);
    if (this.isStale || (isChanged && before !== null)) this.relistOthers("changed");
    this.isStale = false;
    if (!isChanged) return;
    this.context.links.base()?.wire.setParamHeaders(this.catalogues.paramHeaders());
    for (let i = 0; i < listed.dropped; i++) this.context.onCount("dropped-tool");
  }

  /** Resolves once `onListed` was told for this profile. The server has to be connected. */
  async ask(profile: Profile): Promise<void> {
    const seen = seenProfile(profile, this.connected().wire.era);
    const isOutdated = this.outdated.has(seen.key);
    if (!isOutdated && this.catalogues.ask(profile)) return;
    this.catalogues.want(profile);
    await this.list(seen, isOutdated ? "afresh" : "joined");
    // A change meanwhile may have made it forget who asked.
    if (!this.catalogues.isTold(profile)) this.catalogues.ask(profile);
  }

  /** At each probe: what has aged is listed again, what nobody needs is forgotten. */
  tick(): void {
    this.catalogues.forgetUnused();
    this.relistOthers("aged");
  }

  /**
   * `changed`: whatever was listed may be wrong now. A profile whose connection is closed is not opened for this; the next who needs
   * it asks.
   */
  private relistOthers(why: "changed" | "aged"): void {
    if (why === "changed") for (const { key } of this.catalogues.due(0)) this.outdated.add(key);
    this.relisting = this.relisting.then(() => this.relist(why));
  }

  /** Never rejects. */
  private async relist(why: "changed" | "aged"): Promise<void> {
    const { limits, links, signal } = this.context;
    const ageMs = why === "changed" ? 0 : limits.relistIntervalMs * otherProfilesFactor;
    const due: Profile[] = [];
    for (const seen of links.base() === null ? [] : this.catalogues.due(ageMs)) {
      if (why === "changed" && !this.outdated.has(seen.key)) continue; // somebody asked, and it was listed meanwhile
      if (links.standing(seen) !== null) due.push(seen);
      else if (why === "changed") this.forget(seen);
    }
    for (let i = 0; i < due.length && !signal.aborted; i += relistWidth) {
      // Who cannot be listed was forgotten, and the next who needs it hears why.
      await Promise.allSettled(due.slice(i, i + relistWidth).map((seen) => this.list(seen, "afresh")));
    }
  }

  /** `afresh`: a listing that already runs may have been answered before the change. */
  private list(seen: Profile, how: "joined" | "afresh"): Promise<void> {
    const before = this.running.get(seen.key);
    if (before !== undefined && how === "joined") return before;
    const listing = (before ?? Promise.resolve()).then(
      () => this.run(seen),
      () => this.run(seen),
    );
    this.running.set(seen.key, listing);
    const clear = (): void => {
      if (this.running.get(seen.key) === listing) this.running.delete(seen.key);
    };
    listing.then(clear, clear);
    return listing;
  }

  private async run(seen: Profile): Promise<void> {
    const { clock, limits, links, signal, serverName } = this.context;
    const deadline = deadlineIn(clock, limits.probeTimeoutMs);
    this.outdated.delete(seen.key);
    try {
      const base = this.connected();
      // Keeping a list up to date is no use of a connection.
      const link = links.standing(seen) ?? (await links.link(seen, deadline, signal));
      const listed = await link.list(seen, {
        deadline,
        signal,
        mayLackTools: true,
        before: this.catalogues.of(seen),
        onCount: this.context.onCount,
      });
      if (links.base() !== base)
        throw new Fault("tool-unavailable", `${serverName()} was reconnected meanwhile`);
      this.catalogues.put(seen, listed);
      base.wire.setParamHeaders(this.catalogues.paramHeaders());
    } catch (error) {
      this.forget(seen);
      throw error;
    }
  }

  private forget(seen: Profile): void {
    this.outdated.delete(seen.key);
    this.catalogues.forget(seen);
  }

  private connected(): ServerLink {
    const base = this.context.links.base();
    if (base === null) throw new Fault("tool-unavailable", `${this.context.serverName()} is not connected`);
    return base;
  }
}
