import { hash } from "node:crypto";
import { sha256 } from "../base/index.ts";

/** RFC 6962, section 2.1, with SHA-256. Sizes and indexes are whole numbers below 2^53, so arithmetic avoids bit operators. */

export const hashBytes = 32;
export const emptyRoot: Buffer = sha256("");

const pair = Buffer.alloc(1 + 2 * hashBytes);
pair[0] = 1;

/**
 * SHA-256(0x01 || left || right). Asked for as text, one character per byte: a buffer from the hash costs as much as the hash does.
 * Not out of the pool, which holds 8 KB for as long as any hash in it is kept.
 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + hashBytes);
  const text = hash("sha256", pair, "binary");
  const out = Buffer.allocUnsafeSlow(hashBytes);
  for (let i = 0; i < hashBytes; i++) out[i] = text.charCodeAt(i);
  return out;
}

/** The largest power of two below `size` (size > 1): where RFC 6962 splits. */
export function splitPoint(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/** A complete subtree: `hash` covers 2^height leaves. */
interface Peak {
  readonly height: number;
  readonly hash: Uint8Array;
}

/** The complete subtrees a tree of some size consists of, largest first: all that is needed to grow it and to know its root. */
export class Frontier {
  private readonly peaks: Peak[] = [];
  private leaves = 0;

  get size(): number {
    return this.leaves;
  }

  /** Adds a leaf hash; `completed` hears of every complete subtree this makes, smallest first, the leaf itself included. */
  append(leafHash: Uint8Array, completed?: (height: number, hash: Uint8Array) => void): void {
    let peak: Peak = { height: 0, hash: leafHash };
    completed?.(0, leafHash);
    for (;;) {
      const left = this.peaks.at(-1);
      if (left?.height !== peak.height) break;
      this.peaks.pop();
      peak = { height: peak.height + 1, hash: nodeHash(left.hash, peak.hash) };
      completed?.(peak.height, peak.hash);
    }
    this.peaks.push(peak);
    this.leaves++;
  }

  /** Adds a complete subtree lower than all that are there: how a frontier is put together again from stored hashes. */
  appendPeak(height: number, hash: Uint8Array): void {
    this.peaks.push({ height, hash });
    this.leaves += 2 ** height;
  }

  root(): Buffer {
    let root: Uint8Array | null = null;
    for (let i = this.peaks.length - 1; i >= 0; i--) {
      const { hash } = this.peaks[i] as Peak;
      root = root === null ? hash : nodeHash(hash, root);
    }
    return root === null ? emptyRoot : Buffer.from(root);
  }

  copy(): Frontier {
    const copy = new Frontier();
    copy.peaks.push(...this.peaks);
    copy.leaves = this.leaves;
    return copy;
  }
}

/** The leaves [start, end) of a tree. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What an inclusion proof consists of, from the leaf's sibling up (RFC 6962, 2.1.1). */
export function inclusionRanges(index: number, size: number): Range[] {
  const path: Range[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.reverse();
}

/** What a consistency proof from `first` to `second` leaves consists of (RFC 6962, 2.1.2); 0 < first <= second. */
export function consistencyRanges(first: number, second: number): Range[] {
  const proof: Range[] = [];
  let [start, end] = [0, second];
  let isOwnRoot = true; // the verifier has the root of the first tree
  while (end !== first) {
    const middle = start + splitPoint(end - start);
    if (first <= middle) {
      proof.push({ start: middle, end });
      end = middle;
    } else {
      proof.push({ start, end: middle });
      start = middle;
      isOwnRoot = false;
    }
  }
  if (!isOwnRoot) proof.push({ start, end });
  return proof.reverse();
}

export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index >= size) return false;
  const ranges = inclusionRanges(index, size);
  if (ranges.length !== proof.length) return false;
  let current: Uint8Array = leafHash;
  for (let i = 0; i < proof.length; i++) {
    const sibling = proof[i] as Uint8Array;
    const isLeft = (ranges[i] as Range).end <= index;
    current = isLeft ? nodeHash(sibling, current) : nodeHash(current, sibling);
  }
  return Buffer.from(root).equals(current);
}

/** Whether the tree of `second` leaves begins with the tree of `first` leaves. */
export function verifyConsistency(
  first: number,
  second: number,
  proof: readonly Uint8Array[],
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
): boolean {
  if (first > second) return false;
  if (first === second) return proof.length === 0 && Buffer.from(firstRoot).equals(secondRoot);
  if (first === 0) return proof.length === 0 && emptyRoot.equals(firstRoot);
  const ranges = consistencyRanges(first, second);
  if (ranges.length !== proof.length) return false;
  const known = new Map(ranges.map((range, i) => [nameOf(range), proof[i] as Uint8Array]));
  // When the first tree is a complete subtree of the second, its root takes the place of the hash that is not sent.
  if (!ranges.some((range) => range.end === first)) known.set(nameOf({ start: 0, end: first }), firstRoot);
  const isFirst = rebuilt({ start: 0, end: first }, known)?.equals(firstRoot) ?? false;
  return isFirst && (rebuilt({ start: 0, end: second }, known)?.equals(secondRoot) ?? false);
}

const nameOf = (range: Range): string => `${range.start}-${range.end}`;

/** The hash of a range out of known ones; null when they do not cover it. */
function rebuilt(range: Range, known: ReadonlyMap<string, Uint8Array>): Buffer | null {
  const hash = known.get(nameOf(range));
  if (hash !== undefined) return Buffer.from(hash);
  if (range.end - range.start < 2) return null;
  const middle = range.start + splitPoint(range.end - range.start);
  const left = rebuilt({ start: range.start, end: middle }, known);
  const right = left === null ? null : rebuilt({ start: middle, end: range.end }, known);
  return left === null || right === null ? null : nodeHash(left, right);
}

/** The hash of any range that a proof asks for, from complete subtrees. */
export async function rangeHash(
  range: Range,
  subtree: (height: number, index: number) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const size = range.end - range.start;
  const height = Math.round(Math.log2(size));
  if (2 ** height === size) return subtree(height, range.start / size);
  const middle = range.start + splitPoint(size);
  return nodeHash(
    await rangeHash({ start: range.start, end: middle }, subtree),
    await rangeHash({ start: middle, end: range.end }, subtree),
  );
}
