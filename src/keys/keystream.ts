import type { Cipheriv, KeyObject } from "node:crypto";
import { createCipheriv, createSecretKey } from "node:crypto";
import type { Random } from "../base/index.ts";

/** 12 random bytes, fixed for a stream, then a 32-bit big-endian block counter: no block is used twice under one key. */
export const counterBytes = 16;
const prefixBytes = 12;
const blockBytes = 16;
const algorithm = "aes-256-ctr";

/** 16 GiB, a quarter of what the counter can count; then a new stream begins. */
const blocksPerStreamMax = 2 ** 30;

/** Where a stream starts, at its block 0. Reused: a cipher keeps a copy. */
const start = Buffer.alloc(counterBytes);

/** What is under way of a stream. */
interface Stream {
  readonly key: KeyObject;
  readonly cipher: Cipheriv;
  readonly prefix: Uint8Array;
  blocks: number;
}

/**
 * AES-256-CTR under one key, one thing after the other out of one long stream: making a cipher object costs several times as much
 * as what it then does to a payload. The object lives until `rest`: it takes 2 KB outside the heap, which the collector does not see, so that
 * ciphers made anew for each payload pile up by the hundred MB before it comes.
 */
export class Keystream {
  /** A character per byte: as a text, 32 bytes take 48 of the heap, as an array 240, and there are thousands of these. */
  private readonly secret: string;
  private readonly random: Random;
  private readonly blocksMax: number;
  private stream: Stream | null = null;

  constructor(secret: string, random: Random, blocksMax = blocksPerStreamMax) {
    this.secret = secret;
    this.random = random;
    this.blocksMax = blocksMax;
  }

  /**
   * Encrypts `bytes`, whose length is a whole number of blocks, and writes where in the stream they stand to `out` at `at`: what
   * opening them needs beside the key.
   */
  encrypt(bytes: Uint8Array, out: Uint8Array, at: number): Buffer {
    const needed = bytes.byteLength / blockBytes;
    const current = this.stream;
    const stream = current !== null && current.blocks + needed <= this.blocksMax ? current : this.begin();
    out.set(stream.prefix, at);
    new DataView(out.buffer, out.byteOffset).setUint32(at + prefixBytes, stream.blocks);
    stream.blocks += needed;
    return stream.cipher.update(bytes);
  }

  /** Of bytes that were authenticated: by itself this opens everything, to something. */
  decryptAt(counter: Uint8Array, ciphertext: Uint8Array): Buffer {
    const cipher = createCipheriv(algorithm, this.stream?.key ?? this.key(), counter);
    const bytes = cipher.update(ciphertext);
    cipher.final();
    return bytes;
  }

  /** Ends the stream and gives back what it takes, at once. What is encrypted next begins another one, for some 5 µs. */
  rest(): void {
    this.stream?.cipher.final();
    this.stream = null;
  }

  private begin(): Stream {
    this.rest();
    const prefix = this.random.bytes(prefixBytes);
    start.set(prefix);
    const key = this.key();
    const stream = { key, cipher: createCipheriv(algorithm, key, start), prefix, blocks: 0 };
    this.stream = stream;
    return stream;
  }

  private key(): KeyObject {
    return createSecretKey(this.secret, "latin1");
  }
}

/** `length` in whole blocks, in bytes. At least one, so that even nothing has a place of its own. */
export const wholeBlocks = (length: number): number =>
  Math.max(1, Math.ceil(length / blockBytes)) * blockBytes;
