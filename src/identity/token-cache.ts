import type { MonotonicMs, Result, Sha256Hex } from "../base/index.ts";
import type { Standing } from "./directory.ts";
import type { Issuer, VerifiedToken } from "./issuer.ts";
import type { Principal } from "./principal.ts";

export interface CachedToken {
  readonly issuer: Issuer;
  readonly token: VerifiedToken;
  /** Who it stood for when it was last judged; another object in the directory means: judge again. */
  readonly standing: Standing;
  /** Its principal, within the token's scopes. */
  readonly answer: Result<Principal>;
  readonly freshUntil: MonotonicMs;
}

/**
 * Verified tokens by SHA-256: the tokens themselves are nowhere in memory. Two generations instead of a linked list: when the
 * young one is full it becomes the old one, and what is still in use moves over as it is asked for. At most twice `max` entries,
 * and a hit in the young generation is one lookup.
 */
export class TokenCache {
  private readonly max: number;
  private young = new Map<Sha256Hex, CachedToken>();
  private old = new Map<Sha256Hex, CachedToken>();

  constructor(max: number) {
    this.max = max;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(hash: Sha256Hex): CachedToken | undefined {
    const hit = this.young.get(hash);
    if (hit !== undefined) return hit;
    const older = this.old.get(hash);
    if (older !== undefined) this.set(hash, older);
    return older;
  }

  set(hash: Sha256Hex, entry: CachedToken): void {
    this.old.delete(hash);
    if (this.young.size >= this.max && !this.young.has(hash)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(hash, entry);
  }

  delete(hash: Sha256Hex): void {
    this.young.delete(hash);
    this.old.delete(hash);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }
}
