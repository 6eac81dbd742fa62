import type { Item, ParsedFeatures, RefusedFeature, TemplateItem } from "./parse-features.ts";
import { parseFeatures } from "./parse-features.ts";
import type { Profile } from "./profile.ts";
import { noCapabilities } from "./profile.ts";
import type { ServerId } from "./records.ts";
import type { Features, ListKind } from "./subject.ts";

/** What one server offers to one profile, as it was last listed. Immutable but for `isStale`. */
export interface Offering extends ParsedFeatures {
  readonly profile: Profile;
  /** For each kind of list a number that is another whenever its content is. Never used twice in a process. */
  readonly stamps: Readonly<Record<ListKind, number>>;
  /** What the base is offered has changed since: this list is shown until it was asked for anew. */
  isStale: boolean;
}

/**
 * Catalogues kept per server: four times the kinds of clients one endpoint has been seen with. Beyond, the one that was asked for
 * longest ago makes room.
 */
export const profilesPerServerMax = 32;

/** What servers offer to whom. In memory only: it is asked for anew after a start. */
export class FeatureBook {
  /** Per server by profile key; the least recently used first. */
  private readonly servers = new Map<ServerId, Map<string, Offering>>();
  private lastStamp = 0;

  clear(): void {
    this.servers.clear();
  }

  forget(server: ServerId): void {
    this.servers.delete(server);
  }

  put(server: ServerId, profile: Profile, said: Features): readonly RefusedFeature[] {
    const profiles = this.servers.get(server) ?? new Map<string, Offering>();
    this.servers.set(server, profiles);
    const before = profiles.get(profile.key);
    const known = knownItems([before, profiles.get(noCapabilities.key)]);
    const { features, refused } = parseFeatures(said, (mark) => known.get(mark));
    const stamps = this.stampsOf(features, before);
    if (profile.key === noCapabilities.key && before !== undefined && isOther(stamps, before.stamps)) {
      for (const other of profiles.values()) other.isStale = true;
    }
    profiles.delete(profile.key);
    profiles.set(profile.key, { ...features, profile, stamps, isStale: false });
    this.makeRoom(profiles);
    return refused;
  }

  /** null = it was not asked for this profile. */
  of(server: ServerId, profile: Profile): Offering | null {
    return this.servers.get(server)?.get(profile.key) ?? null;
  }

  /** What holds for this profile: its own list, or the base's as long as it was not asked for. */
  effective(server: ServerId, profile: Profile): Offering | null {
    const profiles = this.servers.get(server);
    return profiles?.get(profile.key) ?? profiles?.get(noCapabilities.key) ?? null;
  }

  /** The base first, then by key: the same order whatever was asked last. */
  all(server: ServerId): readonly Offering[] {
    const profiles = [...(this.servers.get(server)?.values() ?? [])];
    return profiles.sort((a, b) => (a.profile.key < b.profile.key ? -1 : 1)).sort(baseFirst);
  }

  /** Whether it has to be asked for this profile; notes that somebody wanted to know. */
  lacks(server: ServerId, profile: Profile): boolean {
    const profiles = this.servers.get(server);
    const found = profiles?.get(profile.key);
    if (profiles === undefined || found === undefined) return true;
    profiles.delete(profile.key);
    profiles.set(profile.key, found);
    return found.isStale;
  }

  /** Nobody keeps this up to date any more: it holds until somebody wants it and asks again. */
  outdate(server: ServerId, profile: Profile): void {
    const found = this.servers.get(server)?.get(profile.key);
    if (found !== undefined) found.isStale = true;
  }

  private makeRoom(profiles: Map<string, Offering>): void {
    for (const key of profiles.keys()) {
      if (profiles.size <= profilesPerServerMax) return;
      if (key !== noCapabilities.key) profiles.delete(key);
    }
  }

  private stampsOf(now: ParsedFeatures, before: Offering | undefined): Offering["stamps"] {
    const stamp = (kind: ListKind, isSame: boolean): number =>
      before !== undefined && isSame ? before.stamps[kind] : ++this.lastStamp;
    const templates = sameItems(now.templates, before?.templates);
    const skills = sameItems(now.skills, before?.skills);
    return {
      tools: stamp("tools", sameNames(now.tools, before?.tools)),
      resources: stamp("resources", skills && templates && sameItems(now.resources, before?.resources)),
      prompts: stamp("prompts", sameItems(now.prompts, before?.prompts)),
    };
  }
}

function knownItems(offerings: readonly (Offering | undefined)[]): ReadonlyMap<string, Item> {
  const known = new Map<string, Item>();
  for (const offering of offerings) {
    if (offering === undefined) continue;
    const { resources, templates, prompts, skills } = offering;
    for (const items of [resources, templates, prompts, skills])
      for (const item of items) known.set(item.mark, item);
  }
  return known;
}

const isOther = (a: Offering["stamps"], b: Offering["stamps"]): boolean =>
  a.tools !== b.tools || a.resources !== b.resources || a.prompts !== b.prompts;

const sameItems = (
  a: readonly (Item | TemplateItem)[],
  b: readonly (Item | TemplateItem)[] | undefined,
): boolean =>
  a.length === b?.length && a.every((item, at) => item.pin === b[at]?.pin && item.name === b[at]?.name);

const sameNames = (a: ReadonlySet<string>, b: ReadonlySet<string> | undefined): boolean =>
  a.size === b?.size && [...a].every((name) => b.has(name));

const baseFirst = (a: Offering, b: Offering): number =>
  Number(b.profile.key === noCapabilities.key) - Number(a.profile.key === noCapabilities.key);
