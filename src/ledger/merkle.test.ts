import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256 } from "../base/index.ts";
import {
  Frontier,
  consistencyRanges,
  emptyRoot,
  inclusionRanges,
  nodeHash,
  rangeHash,
  splitPoint,
  verifyConsistency,
  verifyInclusion,
} from "./merkle.ts";

const leaves = Array.from({ length: 700 }, (_, i) => sha256(`leaf ${i}`));

/** RFC 6962, 2.1, as it is written there. */
function naiveRoot(hashes: readonly Uint8Array[]): Buffer {
  if (hashes.length === 0) return sha256("");
  if (hashes.length === 1) return Buffer.from(hashes[0] as Uint8Array);
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return sha256(Buffer.of(1), naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k)));
}

/** RFC 6962, 2.1.1. */
function naivePath(index: number, hashes: readonly Uint8Array[]): Buffer[] {
  if (hashes.length <= 1) return [];
  const k = splitPoint(hashes.length);
  return index < k
    ? [...naivePath(index, hashes.slice(0, k)), naiveRoot(hashes.slice(k))]
    : [...naivePath(index - k, hashes.slice(k)), naiveRoot(hashes.slice(0, k))];
}

/** RFC 6962, 2.1.2. */
function naiveProof(first: number, hashes: readonly Uint8Array[], isOwn = true): Buffer[] {
  if (first === hashes.length) return isOwn ? [] : [naiveRoot(hashes)];
  const k = splitPoint(hashes.length);
  return first <= k
    ? [...naiveProof(first, hashes.slice(0, k), isOwn), naiveRoot(hashes.slice(k))]
    : [...naiveProof(first - k, hashes.slice(k), false), naiveRoot(hashes.slice(0, k))];
}

const hashOf = (range: { start: number; end: number }) => naiveRoot(leaves.slice(range.start, range.end));
const sizes = fc.integer({ min: 1, max: leaves.length });

describe("the tree", () => {
  it("knows the roots of RFC 6962's own test vectors", () => {
    const inputs = [
      "",
      "00",
      "10",
      "2021",
      "3031",
      "40414243",
      "5051525354555657",
      "606162636465666768696a6b6c6d6e6f",
    ];
    const roots = [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    const frontier = new Frontier();
    for (const [i, input] of inputs.entries()) {
      frontier.append(sha256(Buffer.of(0), Buffer.from(input, "hex")));
      expect(frontier.root().toString("hex")).toBe(roots[i]);
    }
  });

  it("grown leaf by leaf has the root of the naive one, at every size", () => {
    const frontier = new Frontier();
    expect(frontier.root().equals(emptyRoot)).toBe(true);
    for (let size = 1; size <= 300; size++) {
      frontier.append(leaves[size - 1] as Buffer);
      expect(frontier.root().equals(naiveRoot(leaves.slice(0, size)))).toBe(true);
    }
  });

  it("proves the inclusion of every leaf as RFC 6962 says, and of no other", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, a, b) => {
        const index = a % size;
        const other = b % leaves.length;
        const tree = leaves.slice(0, size);
        const proof = inclusionRanges(index, size).map(hashOf);
        expect(proof.map(String)).toEqual(naivePath(index, tree).map(String));
        const root = naiveRoot(tree);
        expect(verifyInclusion(leaves[index] as Buffer, index, size, proof, root)).toBe(true);
        expect(verifyInclusion(leaves[other] as Buffer, index, size, proof, root)).toBe(other === index);
        if (other !== index) {
          expect(verifyInclusion(leaves[index] as Buffer, other, size, proof, root)).toBe(false);
        }
        expect(verifyInclusion(leaves[index] as Buffer, index, size, [...proof, root], root)).toBe(false);
      }),
    );
  });

  it("proves that a larger tree begins with a smaller one as RFC 6962 says", () => {
    fc.assert(
      fc.property(sizes, sizes, fc.nat(), (one, two, at) => {
        const [first, second] = [Math.min(one, two), Math.max(one, two)];
        const proof = consistencyRanges(first, second).map(hashOf);
        expect(proof.map(String)).toEqual(naiveProof(first, leaves.slice(0, second)).map(String));
        const [rootA, rootB] = [naiveRoot(leaves.slice(0, first)), naiveRoot(leaves.slice(0, second))];
        expect(verifyConsistency(first, second, proof, rootA, rootB)).toBe(true);
        if (first === second) return;
        const forged = leaves.slice(0, first);
        forged[at % first] = sha256("forged");
        expect(verifyConsistency(first, second, proof, naiveRoot(forged), rootB)).toBe(false);
        expect(verifyConsistency(first, second, proof, rootA, naiveRoot(forged))).toBe(false);
        if (proof.length > 0) {
          const changed = proof.map((hash, i) => (i === at % proof.length ? sha256("other") : hash));
          expect(verifyConsistency(first, second, changed, rootA, rootB)).toBe(false);
          expect(verifyConsistency(first, second, proof.slice(1), rootA, rootB)).toBe(false);
        }
      }),
    );
  });

  it("gives the hash of any range a proof asks for out of complete subtrees alone", async () => {
    const complete = async (height: number, index: number) =>
      hashOf({ start: index * 2 ** height, end: (index + 1) * 2 ** height });
    for (const size of [1, 2, 3, 255, 256, 257, 511, 700]) {
      for (const index of [0, (size / 2) | 0, size - 1]) {
        for (const range of inclusionRanges(index, size)) {
          expect(String(await rangeHash(range, complete))).toBe(String(hashOf(range)));
        }
      }
    }
    expect(nodeHash(leaves[0] as Buffer, leaves[1] as Buffer).equals(naiveRoot(leaves.slice(0, 2)))).toBe(
      true,
    );
  });
});
