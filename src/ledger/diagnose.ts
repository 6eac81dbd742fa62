import { leafHashOf } from "./leaf.ts";
import type { Frontier } from "./merkle.ts";
import type { EntryId } from "./shapes.ts";
import type { EntryRow } from "./tables.ts";
import type { Broken, BrokenKind } from "./verify-report.ts";

/** A batch whose entries do not add up to its signed root, and everything that may tell why. */
export interface Suspect {
  readonly first: number;
  /** The tree before this batch; proven. */
  readonly before: Frontier;
  /** Signed. */
  readonly root: Uint8Array;
  readonly count: number;
  /** The entries that stand where the batch should be: at most `count`, fewer at the end of the log. */
  readonly rows: readonly EntryRow[];
  /** Some of those that follow. */
  readonly following: readonly EntryRow[];
  /** Ids as the batch recorded them: a hint, nobody signed it. */
  readonly ids: readonly string[];
  /** Ids of later batches, as far as is cheap to know: a hint. */
  readonly laterIds: ReadonlySet<string>;
  /** Leaf hashes out of the tiles; believed only if they add up to the root. Null when tiles are missing. */
  readonly tileHashes: readonly Uint8Array[] | null;
  /** Whether an entry with this id stands anywhere in the log. */
  readonly exists: (id: string) => Promise<boolean>;
}

/** Names the first broken entry of a suspect batch, and what was done to it. */
export async function diagnose(suspect: Suspect): Promise<Broken> {
  const expected = expectedHashes(suspect);
  return expected === null ? byIds(suspect) : byHashes(suspect, expected);
}

/** The leaf hashes that were signed: from the tiles, or from the column beside the leaves, whichever adds up. */
function expectedHashes(suspect: Suspect): readonly Uint8Array[] | null {
  const columns = suspect.rows.map((row) => row.leafHash);
  for (const hashes of [suspect.tileHashes, columns]) {
    if (hashes?.length !== suspect.count) continue;
    const tree = suspect.before.copy();
    for (const hash of hashes) tree.append(hash);
    if (tree.root().equals(suspect.root)) return hashes;
  }
  return null;
}

async function byHashes(suspect: Suspect, expected: readonly Uint8Array[]): Promise<Broken> {
  const { rows, ids } = suspect;
  const signed = expected.map(hex);
  const found = [...rows, ...suspect.following].map((row) => hex(leafHashOf(row.leaf)));
  const i = signed.findIndex((hash, at) => hash !== found[at]);
  const row = rows[i];
  const wanted = ids[i] || null; // unknown where its batch is gone
  if (row === undefined) {
    return broken(suspect, "truncated", i, wanted, "the log ends before what its checkpoint covers");
  }
  const isHereLater = found.indexOf(signed[i] ?? "", i + 1) !== -1;
  if (isHereLater) {
    // What stands here was signed for another place, or for none.
    const belongsLater = signed.includes(found[i] ?? "", i + 1) || suspect.laterIds.has(row.id);
    return belongsLater
      ? broken(suspect, "reordered", i, row.id, "it stands before an entry it was sequenced after")
      : broken(suspect, "inserted", i, row.id, "it stands among sequenced entries and is not one of them");
  }
  if (row.id === wanted)
    return broken(suspect, "edited", i, row.id, "its leaf is not the one that was sequenced");
  if (wanted !== null && (await suspect.exists(wanted))) {
    return broken(suspect, "reordered", i, wanted, "it stands elsewhere in the log");
  }
  const isReplaced = signed[i + 1] !== undefined && signed[i + 1] === found[i + 1];
  if (isReplaced)
    return broken(suspect, "edited", i, row.id, `it stands in the place of ${wanted ?? "another"}`);
  return broken(suspect, "dropped", i, wanted, "it was sequenced here and is gone");
}

/** Neither tiles nor stored hashes add up to the root: more than entries was changed. The ids still tell most. */
async function byIds(suspect: Suspect): Promise<Broken> {
  const { rows, ids, count } = suspect;
  const i = Array.from({ length: count }).findIndex(
    (_, at) => rows[at] === undefined || rows[at].id !== ids[at],
  );
  const row = rows[i];
  const wanted = ids[i] || null; // unknown where its batch is gone
  if (i === -1) {
    const at = rows.findIndex((entry) => !leafHashOf(entry.leaf).equals(entry.leafHash));
    if (at !== -1) return broken(suspect, "edited", at, rows[at]?.id ?? null, "leaf and leaf hash differ");
    return broken(
      suspect,
      "edited",
      0,
      null,
      `one of the ${count} entries from here on is not what was signed`,
    );
  }
  if (row === undefined) {
    return broken(suspect, "truncated", i, wanted, "the log ends before what its checkpoint covers");
  }
  if (wanted === null) return broken(suspect, "inserted", i, row.id, "no batch names it");
  if (await suspect.exists(wanted)) {
    return ids.includes(row.id) || suspect.laterIds.has(row.id)
      ? broken(suspect, "reordered", i, wanted, "it stands elsewhere in the log")
      : broken(suspect, "inserted", i, row.id, "it stands among sequenced entries and no batch names it");
  }
  return broken(suspect, "dropped", i, wanted, "it was sequenced here and is gone");
}

function broken(
  suspect: Suspect,
  kind: BrokenKind,
  at: number,
  entry: string | null,
  detail: string,
): Broken {
  // An id out of the store is what it is: it only names something in a report.
  return { kind, position: suspect.first + at, entry: entry as EntryId | null, detail };
}

const hex = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");
