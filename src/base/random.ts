import { createHash, randomFillSync } from "node:crypto";

/** The only source of randomness. `bytes` returns a fresh array the caller owns. */
export interface Random {
  bytes(length: number): Uint8Array;
}

const poolBytes = 8192;

/** Cryptographic randomness, drawn from the system in pools: one system call serves many ids, salts and keys. */
class SystemRandom implements Random {
  /** No Buffer: a slice of one, and filling it, take twice as long. */
  private pool = new Uint8Array(0);
  private used = 0;

  bytes(length: number): Uint8Array {
    if (length > poolBytes / 4) return randomFillSync(new Uint8Array(length));
    if (this.used + length > this.pool.length) {
      this.pool = randomFillSync(new Uint8Array(poolBytes));
      this.used = 0;
    }
    const out = this.pool.slice(this.used, this.used + length);
    // What was handed out must not linger in the pool, where a heap dump or a bug could hand it out again.
    this.pool.fill(0, this.used, this.used + length);
    this.used += length;
    return out;
  }
}

export const systemRandom: Random = new SystemRandom();

/** The same bytes for the same seed, for tests and simulation only. */
export function seededRandom(seed: number | string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const out = new Uint8Array(length);
      for (let offset = 0; offset < length; offset += 32) {
        const block = createHash("sha256").update(`${seed}:${counter++}`).digest();
        out.set(block.subarray(0, Math.min(32, length - offset)), offset);
      }
      return out;
    },
  };
}

/** A whole number in [0, below), without modulo bias worth speaking of for below <= 2^32. */
export function randomBelow(random: Random, below: number): number {
  const bytes = random.bytes(6);
  return Buffer.from(bytes).readUIntBE(0, 6) % below;
}
