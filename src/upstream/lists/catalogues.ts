import type { Clock, MonotonicMs } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";
import type { Profile } from "../../registry/index.ts";
import { noCapabilities } from "../../registry/index.ts";
import type { ParamHeader } from "../http/param-headers.ts";
import type { UpstreamLimits } from "../limits.ts";
import type { Listed } from "./read-catalogue.ts";

export interface CataloguesContext {
  readonly clock: Clock;
  readonly limits: UpstreamLimits;
  /** As which profile the server sees this one. */
  readonly seenAs: (profile: Profile) => Profile;
  readonly onListed: (profile: Profile, listed: Listed) => void;
  /** What was told for this profile is not kept up to date any more. */
  readonly onGone: (profile: Profile) => void;
}

/** A profile that somebody asked for, under its own key. */
interface Asked {
  readonly profile: Profile;
  askedAt: MonotonicMs;
  /** null = nothing was told since the connection was made. */
  told: string | null;
}

interface Kept {
  readonly profile: Profile;
  readonly listed: Listed;
  readonly listedAt: MonotonicMs;
}

/**
 * What one server offers to which profile, and who was told what. Several profiles that the server cannot tell apart share one
 * listing. The base profile is always kept; of the others the least recently asked goes when there are too many.
 */
export class Catalogues {
  private readonly context: CataloguesContext;
  private readonly asked = new Map<string, Asked>();
  private readonly kept = new Map<string, Kept>();

  constructor(context: CataloguesContext) {
    this.context = context;
    this.want(noCapabilities);
  }

  /** From now on this profile is told what is listed for it, also when it was told before: who asks may have lost it. */
  want(profile: Profile): Asked {
    const { clock, limits } = this.context;
    const now = clock.monotonic();
    const entry = this.asked.get(profile.key) ?? { profile, askedAt: now, told: null };
    entry.askedAt = now;
    entry.told = null;
    this.asked.delete(profile.key);
    this.asked.set(profile.key, entry);
    if (this.asked.size > limits.profilesMax) this.dropOldest();
    return entry;
  }

  isTold(profile: Profile): boolean {
    return (this.asked.get(profile.key)?.told ?? null) !== null;
  }

  /** Tells this profile what is listed for it. False = nothing is. */
  ask(profile: Profile): boolean {
    const entry = this.want(profile);
    const kept = this.kept.get(this.context.seenAs(profile).key);
    if (kept === undefined) return false;
    this.tell(entry, kept.listed);
    return true;
  }

  /** null = nothing was listed for it on this connection. */
  of(seen: Profile): Listed | null {
    return this.kept.get(seen.key)?.listed ?? null;
  }

  /** True = it differs from what was there before. */
  put(seen: Profile, listed: Listed): boolean {
    const before = this.kept.get(seen.key)?.listed;
    const base = this.kept.get(noCapabilities.key)?.listed;
    // Most servers offer the same to everybody: one copy is enough.
    const shared = [before, base].find((other) => other?.digest === listed.digest) ?? listed;
    this.kept.set(seen.key, { profile: seen, listed: shared, listedAt: this.context.clock.monotonic() });
    for (const entry of this.asked.values()) {
      if (this.context.seenAs(entry.profile).key === seen.key) this.tell(entry, shared);
    }
    return before?.digest !== listed.digest;
  }

  /** Profiles beside the base that are in use and were listed `ageMs` ago or earlier, or never. */
  due(ageMs: number): readonly Profile[] {
    const now = this.context.clock.monotonic();
    const found = new Map<string, Profile>();
    for (const { profile } of this.asked.values()) {
      const seen = this.context.seenAs(profile);
      const kept = this.kept.get(seen.key);
      const isDue = kept === undefined || elapsedMs(now, kept.listedAt) >= ageMs;
      if (isDue && seen.key !== noCapabilities.key) found.set(seen.key, seen);
    }
    return [...found.values()];
  }

  /** The next who needs this profile has to ask. */
  forget(seen: Profile): void {
    for (const entry of this.asked.values()) {
      if (this.context.seenAs(entry.profile).key === seen.key) this.drop(entry);
    }
    this.kept.delete(seen.key);
  }

  forgetUnused(): void {
    const { clock, limits } = this.context;
    const now = clock.monotonic();
    for (const entry of this.asked.values()) {
      if (elapsedMs(now, entry.askedAt) >= limits.profileForgetMs) this.drop(entry);
    }
    this.dropUnasked();
  }

  /** A new connection: what was listed over the old one says nothing any more, and everybody is told anew. */
  reset(): void {
    this.kept.clear();
    for (const entry of this.asked.values()) entry.told = null;
  }

  /** Of all profiles; where they differ about a tool, the base is right. */
  paramHeaders(): ReadonlyMap<string, readonly ParamHeader[]> {
    const all = new Map<string, readonly ParamHeader[]>();
    for (const { listed } of this.kept.values()) {
      for (const [tool, headers] of listed.paramHeaders) all.set(tool, headers);
    }
    for (const [tool, headers] of this.of(noCapabilities)?.paramHeaders ?? []) all.set(tool, headers);
    return all;
  }

  get size(): number {
    return Math.max(this.asked.size, this.kept.size);
  }

  private tell(entry: Asked, listed: Listed): void {
    if (entry.told === listed.digest) return;
    entry.told = listed.digest;
    this.context.onListed(entry.profile, listed);
  }

  private dropOldest(): void {
    for (const entry of this.asked.values()) {
      if (entry.profile.key === noCapabilities.key) continue;
      this.drop(entry);
      break;
    }
    this.dropUnasked();
  }

  private drop(entry: Asked): void {
    if (entry.profile.key === noCapabilities.key) return;
    this.asked.delete(entry.profile.key);
    this.context.onGone(entry.profile);
  }

  private dropUnasked(): void {
    const wanted = new Set([...this.asked.values()].map(({ profile }) => this.context.seenAs(profile).key));
    for (const key of this.kept.keys()) {
      if (!wanted.has(key)) this.kept.delete(key);
    }
  }
}
