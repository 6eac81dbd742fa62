import type { CancelTimer, Clock } from "../../base/index.ts";
import { Fault } from "../../base/index.ts";
import type { Profile } from "../../registry/index.ts";
import type { UpstreamLimits } from "../limits.ts";

/** One resource that callers of one profile want to be told of. */
export interface Watch {
  readonly uri: string;
  readonly profile: Profile;
  readonly watchers: ReadonlySet<Watcher>;
}

export interface Watcher {
  readonly onUpdated: (uri: string) => void;
}

interface Held extends Watch {
  readonly watchers: Set<Watcher>;
  /** URIs to be told when the quiet time is over. */
  readonly later: Set<string>;
  cancelQuiet: CancelTimer | null; // null = the next update is told at once
}

/** A server that tells of one resource without end is heard ten times a second: each time may reach thousands of callers. */
const quietMs = 100;
/** Parts of one resource that are told one by one; beyond that, the whole was updated. */
const laterMax = 16;

/** Who watches what at one server. Outlives connections, and lines: what is wanted does not change because a server restarts. */
export class Watches {
  private readonly serverName: string;
  private readonly limits: UpstreamLimits;
  private readonly clock: Clock;
  private readonly byKey = new Map<string, Held>();
  private watcherCount = 0;

  constructor(serverName: string, limits: UpstreamLimits, clock: Clock) {
    this.serverName = serverName;
    this.clock = clock;
    this.limits = limits;
  }

  get size(): number {
    return this.byKey.size;
  }

  all(): readonly Watch[] {
    return [...this.byKey.values()];
  }

  has(watch: Watch): boolean {
    return this.byKey.get(keyOf(watch.uri, watch.profile)) === watch;
  }

  add(uri: string, profile: Profile, watcher: Watcher): Watch {
    const key = keyOf(uri, profile);
    const known = this.byKey.get(key);
    const { watchesMax, watchersMax } = this.limits;
    if (this.watcherCount >= watchersMax || (known === undefined && this.byKey.size >= watchesMax)) {
      throw new Fault(
        "too-many-calls",
        `${this.serverName}: ${this.size} resources are being watched already`,
      );
    }
    const watch: Held = known ?? { uri, profile, watchers: new Set(), later: new Set(), cancelQuiet: null };
    this.byKey.set(key, watch);
    watch.watchers.add(watcher);
    this.watcherCount++;
    return watch;
  }

  /** True = it was the last one of this watch. */
  remove(watch: Watch, watcher: Watcher): boolean {
    const key = keyOf(watch.uri, watch.profile);
    const held = this.byKey.get(key);
    if (held !== watch || !held.watchers.delete(watcher)) return false;
    this.watcherCount--;
    if (held.watchers.size > 0) return false;
    this.byKey.delete(key);
    held.cancelQuiet?.();
    return true;
  }

  /**
   * Tells those of `among` that concern `uri`, under the URI that the server named. It may name a part of what was subscribed to
   * (MCP 2025-11-25, resources/updated).
   */
  updated(among: readonly Watch[], uri: string): void {
    for (const watch of among) {
      if (watch.uri === uri || isPartOf(uri, watch.uri)) this.tell(watch, uri);
    }
  }

  tell(watch: Watch, uri: string): void {
    const held = this.byKey.get(keyOf(watch.uri, watch.profile));
    if (held !== watch || held === undefined) return;
    if (held.cancelQuiet !== null) {
      held.later.add(held.later.size < laterMax ? uri : held.uri);
      return;
    }
    tellNow(held, uri);
    this.beQuiet(held);
  }

  private beQuiet(held: Held): void {
    held.cancelQuiet = this.clock.after(quietMs, () => {
      held.cancelQuiet = null;
      const later = [...held.later];
      held.later.clear();
      for (const uri of later) tellNow(held, uri);
      if (later.length > 0) this.beQuiet(held);
    });
  }
}

/** A watcher that throws misses this one and disturbs nobody. */
function tellNow(watch: Watch, uri: string): void {
  const told = [...watch.watchers]; // who comes while they are told is not told of this one
  for (const watcher of told) {
    try {
      watcher.onUpdated(uri);
    } catch {
      // Whoever watches is gone or broken; the others are told all the same.
    }
  }
}

const isPartOf = (uri: string, whole: string): boolean =>
  uri.length > whole.length &&
  uri.startsWith(whole) &&
  (whole.endsWith("/") || ["/", "#", "?"].includes(uri.charAt(whole.length)));

const keyOf = (uri: string, profile: Profile): string => `${profile.key} ${uri}`;
