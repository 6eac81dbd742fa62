/** Names longer than this are not compared; nobody mistypes a URI by one letter. */
const nameCharsMax = 64;
/** Suggestions look at this many candidates at most: a message is not worth more. */
const candidatesMax = 2_000;

/** The candidate that is most likely meant by a mistyped `name`, or null when none is close. */
export function nearest(name: string, candidates: Iterable<string>): string | null {
  if (name.length > nameCharsMax) return null;
  let best: string | null = null;
  // Two letters swapped are two edits; in a very short name that is another name.
  let bestDistance = (name.length < 4 ? 1 : Math.max(2, Math.floor(name.length / 3))) + 1;
  let looked = 0;
  for (const candidate of candidates) {
    if (++looked > candidatesMax) break;
    if (candidate.length > nameCharsMax) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
