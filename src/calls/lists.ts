import type { MonotonicMs } from "../base/index.ts";
import { elapsedMs, sha256Hex } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { PolicySet } from "../policy/index.ts";
import { askTool } from "../registry/index.ts";
import type { Profile, ServerId } from "../registry/index.ts";
import type { ListName, Listing } from "./call.ts";
import type { House } from "./house.ts";
import { principalIds } from "./principal-ids.ts";
import { removeKnownSecretsFromJson } from "../screening/index.ts";
import { askToolText } from "./answer-ask.ts";
import { waitToolText } from "./wait-for-call.ts";

/** Lists kept, whole and by item. 2,000 agents with lists of 50 KB are 200 MB, so the bound is on characters. */
const charactersMax = 128 * 1024 * 1024;
/** A client waits for its first list; a server that takes longer is in the next one. */
const askWaitMs = 2_000;
/** A server that did not answer for a profile is not waited for again this soon. */
const askAgainMs = 30_000;
/** For lists whose servers named no time to live. */
const ttlDefaultMs = 60_000;

interface Kept {
  readonly listing: Listing;
  readonly revision: number;
  readonly policies: PolicySet;
  readonly principalVersion: string;
  readonly secrets: readonly string[];
}

/**
 * What a caller may see, over all servers: what some permit's scope matches and no unconditional forbid does, of servers that are
 * healthy, in a fixed order so that prompt caches hold. Advisory: the call itself decides. Known secrets are taken out of what servers
 * say here as out of their results.
 */
export class Lists {
  private readonly kept = new Map<string, Kept>();
  private characters = 0;
  /** When servers were last asked for a profile, by tenant and profile, and for how long lists wait for it. */
  private readonly asked = new Map<
    string,
    { readonly at: MonotonicMs; readonly waiting: Promise<unknown> }
  >();

  listing(name: ListName, principal: Principal, profile: Profile, house: House): Listing | Promise<Listing> {
    const asking = this.askMissing(principal, profile, house);
    if (asking === null) return this.current(name, principal, profile, house);
    return asking.then(() => this.current(name, principal, profile, house));
  }

  private current(name: ListName, principal: Principal, profile: Profile, house: House): Listing {
    const policies = house.policies.current(principal.tenant);
    const revision = house.registry.revision(principal.tenant);
    const secrets = house.vault.knownSecrets(principal.tenant);
    const key = `${name} ${principalIds(principal).join(" ")} ${profile.key}`;
    const known = this.kept.get(key);
    if (
      known !== undefined &&
      known.revision === revision &&
      known.policies === policies &&
      known.principalVersion === principal.version &&
      known.secrets === secrets
    ) {
      return known.listing;
    }
    const items = elements[name](principal, profile, house, policies).flatMap((item) => {
      const { text } = removeKnownSecretsFromJson(item, secrets);
      return text.startsWith("{") ? [text] : []; // else all of it was one
    });
    const text = `{"${name}":[${items.join(",")}]}`;
    const listing: Listing = {
      items,
      text,
      revision: sha256Hex(text).slice(0, 16),
      ttlMs: smallestTtl(principal, profile, house),
    };
    this.keep(key, { listing, revision, policies, principalVersion: principal.version, secrets });
    return listing;
  }

  /** Servers that have not told what they offer to this profile; null = all have, or there is nothing to be asked for. */
  private askMissing(principal: Principal, profile: Profile, house: House): Promise<unknown> | null {
    if (profile.key === "{}") return null;
    const lacking = house.registry.lacksProfile(principal.tenant, profile);
    if (lacking.length === 0) return null;
    const now = house.clock.monotonic();
    const key = `${principal.tenant} ${profile.key}`;
    const last = this.asked.get(key);
    if (last !== undefined && elapsedMs(now, last.at) < askAgainMs)
      return elapsedMs(now, last.at) < askWaitMs ? last.waiting : null;
    const waiting = this.askAll(lacking, profile, house);
    this.asked.delete(key);
    this.asked.set(key, { at: now, waiting });
    for (const oldest of this.asked.keys()) {
      if (this.asked.size <= profilesAskedMax) break;
      this.asked.delete(oldest);
    }
    return waiting;
  }

  private askAll(lacking: readonly ServerId[], profile: Profile, house: House): Promise<unknown> {
    return new Promise((resolve) => {
      const cancel = house.clock.after(askWaitMs, () => resolve(null));
      void Promise.allSettled(lacking.map((server) => house.upstreams.catalogueFor(server, profile))).then(
        () => {
          cancel();
          resolve(null);
        },
      );
    });
  }

  private keep(key: string, kept: Kept): void {
    const before = this.kept.get(key);
    this.characters += sizeOf(key, kept) - (before === undefined ? 0 : sizeOf(key, before));
    this.kept.delete(key);
    this.kept.set(key, kept);
    for (const [oldest, each] of this.kept) {
      if (this.characters <= charactersMax || oldest === key) break;
      this.kept.delete(oldest);
      this.characters -= sizeOf(oldest, each);
    }
  }
}

/** What a list takes in memory; an empty one, too, has a profile in its key, which its caller chose. */
const sizeOf = (key: string, { listing }: Kept): number =>
  key.length + 2 * listing.text.length + keptOverhead;
const keptOverhead = 512;
const profilesAskedMax = 1_000;

/** JSON texts of what each list holds; names become ours, everything else is the server's own words. */
const elements: Readonly<
  Record<
    ListName,
    (principal: Principal, profile: Profile, house: House, policies: PolicySet) => readonly string[]
  >
> = {
  tools: (principal, profile, { registry }, policies) =>
    registry
      .callableToolsOf(principal.tenant, profile)
      .filter((tool) => policies.mayList(principal, tool.id))
      .map(({ definition, exposedName }) => {
        const { rest, ...own } = definition;
        return JSON.stringify({ ...rest, ...own, name: exposedName });
      })
      .concat(policies.asksPeople ? [waitToolText] : [])
      .concat(policies.mayAskBy(principal, askTool.id) ? [askToolText] : []),
  resources: (principal, profile, { registry }, policies) =>
    registry
      .resourcesOf(principal.tenant, profile)
      .filter((resource) => policies.mayRead(principal, resource.id))
      .map(({ definition }) => JSON.stringify(definition)),
  resourceTemplates: (principal, profile, { registry }, policies) =>
    registry
      .templatesOf(principal.tenant, profile)
      .filter((template) => policies.mayRead(principal, template.id))
      .map(({ definition }) => JSON.stringify(definition)),
  prompts: (principal, profile, { registry }, policies) =>
    registry
      .promptsOf(principal.tenant, profile)
      .filter((prompt) => policies.mayGet(principal, prompt.id))
      .map(({ definition, exposedName }) => JSON.stringify({ ...definition, name: exposedName })),
  skills: (principal, profile, { registry }, policies) =>
    registry
      .skillsOf(principal.tenant, profile)
      .filter((skill) => policies.mayRead(principal, skill.id))
      .map(({ definition }) => JSON.stringify(definition)),
};

function smallestTtl(principal: Principal, profile: Profile, { registry }: House): number {
  let least = ttlDefaultMs;
  for (const { features } of registry.featuresOf(principal.tenant, profile))
    if (features.ttlMs !== null) least = Math.min(least, features.ttlMs);
  return least;
}
