import type { Cipheriv, KeyObject } from "node:crypto";
import { createCipheriv } from "node:crypto";
import type { Random } from "../base/index.ts";
import { ivBytes, keyBytes } from "./aead.ts";

/*
 * Payload keys are wrapped with AES-256-CTR and not with a second GCM: a cipher object per wrap costs as much as sealing 1 KB
 * (9 µs), and one long stream costs nothing. What CTR lacks, the payload's own GCM gives: it authenticates the wrapped key and its
 * counter block as associated data, and opens under no other key than the one that was wrapped.
 */

/** 12 random bytes, fixed for a stream, then a 32-bit big-endian block counter: no block is used twice under one key. */
export const counterBytes = 16;

const blocksPerKey = keyBytes / 16;
/** How much keystream is made at once: enough to share the cost of a call into the cipher, little enough to keep per key. */
const keysPerRefill = 16;
/** Far below the 2^31 keys one counter could serve; then a new stream begins. */
const keysPerStreamMax = 2 ** 20;

const zeros = Buffer.alloc(keysPerRefill * keyBytes);

/** Wraps keys under one key, one after the other. */
export class WrapStream {
  private readonly key: KeyObject;
  private readonly random: Random;
  private readonly counter = Buffer.alloc(counterBytes);
  private cipher: Cipheriv | null = null;
  private keystream = zeros;
  private used = keysPerRefill;
  private wrappedKeys = keysPerStreamMax;

  constructor(key: KeyObject, random: Random) {
    this.key = key;
    this.random = random;
  }

  /** Writes the counter block, then the wrapped key, into `out` at `at`. */
  wrap(secret: Uint8Array, out: Uint8Array, at: number): void {
    if (this.used === keysPerRefill) this.refill();
    this.counter.writeUInt32BE(this.wrappedKeys * blocksPerKey, ivBytes);
    out.set(this.counter, at);
    const from = this.used * keyBytes;
    const target = at + counterBytes;
    for (let i = 0; i < keyBytes; i++) {
      out[target + i] = (secret[i] as number) ^ (this.keystream[from + i] as number);
    }
    this.used++;
    this.wrappedKeys++;
  }

  private refill(): void {
    if (this.cipher === null || this.wrappedKeys >= keysPerStreamMax) {
      this.counter.fill(0).set(this.random.bytes(ivBytes), 0);
      this.cipher = createCipheriv("aes-256-ctr", this.key, this.counter);
      this.wrappedKeys = 0;
    }
    this.keystream = this.cipher.update(zeros);
    this.used = 0;
  }
}

/** The key at `at`, right or wrong: only opening the payload tells. */
export function unwrapKey(key: KeyObject, sealed: Uint8Array, at: number): Buffer {
  const secretAt = at + counterBytes;
  return createCipheriv("aes-256-ctr", key, sealed.subarray(at, secretAt)).update(
    sealed.subarray(secretAt, secretAt + keyBytes),
  );
}
