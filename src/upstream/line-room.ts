import type { MonotonicMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";

/** As much of a connection as decides about its place. */
export interface Placed {
  readonly profile: { readonly key: string };
  readonly usedAt: MonotonicMs;
}

export interface RoomLimits {
  /** Sets of capabilities that have a connection. */
  readonly profilesMax: number;
  /** Connections beyond the first of each set. */
  readonly callersMax: number;
  /** A further connection takes the place of none that was used within this time. */
  readonly keepMs: number;
}

/**
 * Which idle connections go so that one more has room, least recently used first; null = it has none. The first for a set of capabilities
 * and the further ones, of more callers, are counted apart: a crowd of callers alike takes no place from others, who cannot share.
 */
export function roomFor<L extends Placed>(
  lines: Iterable<L>,
  key: string,
  isIdle: (line: L) => boolean,
  now: MonotonicMs,
  limits: RoomLimits,
): readonly L[] | null {
  const sets = new Map<string, L[]>();
  let count = 0;
  for (const line of lines) {
    count++;
    const set = sets.get(line.profile.key);
    if (set === undefined) sets.set(line.profile.key, [line]);
    else set.push(line);
  }
  if (!sets.has(key)) {
    if (sets.size < limits.profilesMax) return [];
    return leastRecent([...sets.values()].filter((set) => set.every(isIdle)));
  }
  if (count - sets.size < limits.callersMax) return [];
  const further = [...sets.values()].filter((set) => set.length > 1).flat();
  return leastRecent(
    further
      .filter((line) => isIdle(line) && elapsedMs(now, line.usedAt) >= limits.keepMs)
      .map((line) => [line]),
  );
}

function leastRecent<L extends Placed>(sets: readonly (readonly L[])[]): readonly L[] | null {
  let oldest: { readonly set: readonly L[]; readonly at: MonotonicMs } | null = null;
  for (const set of sets) {
    const at = lastUse(set);
    if (at !== null && (oldest === null || elapsedMs(at, oldest.at) < 0)) oldest = { set, at };
  }
  return oldest === null ? null : oldest.set;
}

function lastUse(set: readonly Placed[]): MonotonicMs | null {
  let last: MonotonicMs | null = null;
  for (const { usedAt } of set) if (last === null || elapsedMs(usedAt, last) > 0) last = usedAt;
  return last;
}
