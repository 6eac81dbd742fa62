/** The candidate that was probably meant, or null: at most a third of its letters (and never more than three) may be wrong, or its end. */
export function nearestName(name: string, candidates: readonly string[]): string | null {
  let best: { name: string; distance: number } | null = null;
  const given = plain(name);
  if (given.length > 64) return null;
  for (const candidate of candidates) {
    const known = plain(candidate);
    const isCut = given.length >= 3 && (given.startsWith(known) || known.startsWith(given));
    const distance = isCut ? 1 : editDistance(given, known);
    const allowed = Math.min(3, Math.max(1, Math.floor(candidate.length / 3)));
    if (distance <= allowed && (best === null || distance < best.distance)) {
      best = { name: candidate, distance };
    }
  }
  return best?.name ?? null;
}

/** Case and separators are what people mix up most: allowed_hosts, allowed-hosts, allowedHosts. */
const plain = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, "");

/** Insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
