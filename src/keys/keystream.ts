import type { Cipheriv, KeyObject } from "node:crypto";
import { createCipheriv } from "node:crypto";
import type { Random } from "../base/index.ts";

/** 12 random bytes, fixed for a stream, then a 32-bit big-endian block counter: no block is used twice under one key. */
export const counterBytes = 16;
const prefixBytes = 12;
const blockBytes = 16;

/** 16 GiB, a quarter of what the counter can count; then a new stream begins. */
const blocksPerStreamMax = 2 ** 30;

/**
 * AES-256-CTR under one key, one thing after the other out of one long stream: making a cipher object costs several times as much
 * as what it then does to a payload. It lives as long as its key is at hand: 2.3 KB outside the heap, which the collector does not see, so that
 * ciphers made anew for each payload pile up by the hundred MB before it comes.
 */
export class Keystream {
  private readonly key: KeyObject;
  private readonly random: Random;
  private readonly blocksMax: number;
  /** No Buffer, which would lie outside the heap: there are thousands of these. */
  private readonly counter = new Uint8Array(counterBytes);
  private cipher: Cipheriv | null = null;
  private blocks = 0;

  constructor(key: KeyObject, random: Random, blocksMax = blocksPerStreamMax) {
    this.key = key;
    this.random = random;
    this.blocksMax = blocksMax;
  }

  /**
   * Encrypts `bytes`, whose length is a whole number of blocks, and writes where in the stream they stand to `out` at `at`: what
   * opening them needs beside the key.
   */
  encrypt(bytes: Uint8Array, out: Uint8Array, at: number): Buffer {
    const needed = bytes.byteLength / blockBytes;
    const cipher = this.blocks + needed > this.blocksMax ? this.begin() : (this.cipher ?? this.begin());
    out.set(this.counter, at);
    new DataView(out.buffer, out.byteOffset).setUint32(at + prefixBytes, this.blocks);
    this.blocks += needed;
    return cipher.update(bytes);
  }

  private begin(): Cipheriv {
    this.counter.fill(0).set(this.random.bytes(prefixBytes), 0);
    this.blocks = 0;
    const cipher = createCipheriv("aes-256-ctr", this.key, this.counter);
    this.cipher = cipher;
    return cipher;
  }
}

/** `length` in whole blocks, in bytes. At least one, so that even nothing has a place of its own. */
export const wholeBlocks = (length: number): number =>
  Math.max(1, Math.ceil(length / blockBytes)) * blockBytes;

/** Of bytes that were authenticated: by itself this opens everything, to something. */
export const decryptAt = (key: KeyObject, counter: Uint8Array, ciphertext: Uint8Array): Buffer =>
  createCipheriv("aes-256-ctr", key, counter).update(ciphertext);
