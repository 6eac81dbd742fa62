import type { KeyObject } from "node:crypto";
import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { Fault, invariant, sha256 } from "../base/index.ts";

/**
 * The file: `signalbox-backup/1`, the envelope, each a line, then chunks `[length 4][AES-256-GCM ciphertext][tag 16]`. The key is the
 * file's own, so a chunk's number is a nonce that never comes twice; the lines in front and whether it is the last are authenticated with
 * each chunk. So chunks cannot be moved, left out or taken from another file, and a file cannot end before its last.
 */

const magic = "signalbox-backup/1";
/** Bytes of plaintext per chunk: large enough that tags cost nothing, small enough to hold several. */
export const chunkBytes = 262_144;
const tagBytes = 16;
/** An envelope has some 130 characters. */
const frontBytesMax = 4_096;

/** Seals text that comes in pieces. `end` must be called, once. */
export class ChunkWriter {
  private readonly key: KeyObject;
  private readonly front: Buffer;
  private readonly bound: Buffer;
  private number = 0;
  private pieces: Buffer[] = [];
  private held = 0;

  constructor(key: Uint8Array, envelope: string) {
    this.key = createSecretKey(key);
    invariant(!envelope.includes("\n"), "an envelope is one line");
    this.front = Buffer.from(`${magic}\n${envelope}\n`, "utf8");
    this.bound = sha256(this.front);
  }

  /** What stands in front of the first chunk. */
  begin(): Buffer {
    return this.front;
  }

  /** The chunks that are full by now. */
  *write(piece: Buffer): Generator<Buffer> {
    this.pieces.push(piece);
    this.held += piece.length;
    // One is kept back, because only at the end is it known which is the last.
    while (this.held > chunkBytes) yield this.seal(this.take(chunkBytes), false);
  }

  end(): Buffer {
    return this.seal(this.take(this.held), true);
  }

  private take(bytes: number): Buffer {
    const all = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : Buffer.concat(this.pieces);
    const rest = all.subarray(bytes);
    this.pieces = rest.length === 0 ? [] : [rest];
    this.held = rest.length;
    return all.subarray(0, bytes);
  }

  private seal(plain: Buffer, isLast: boolean): Buffer {
    const cipher = createCipheriv("aes-256-gcm", this.key, nonceOf(this.number++));
    cipher.setAAD(boundTo(this.bound, isLast));
    const body = cipher.update(plain);
    cipher.final();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length + tagBytes);
    return Buffer.concat([length, body, cipher.getAuthTag()]);
  }
}

/** Opens what ChunkWriter sealed, in pieces of any size. Throws `backup-broken` at the first thing that does not hold. */
export async function* openChunks(
  source: AsyncIterable<Uint8Array>,
  keyOf: (envelope: string) => Uint8Array,
): AsyncGenerator<Buffer> {
  const input = new Input(source);
  const first = await input.line(frontBytesMax);
  if (first !== magic) throw broken("it does not begin as a backup of this version does");
  const envelope = await input.line(frontBytesMax);
  if (envelope === null) throw broken("it ends before its first chunk");
  const key = createSecretKey(keyOf(envelope));
  const bound = sha256(Buffer.from(`${magic}\n${envelope}\n`, "utf8"));
  for (let number = 0; ; number++) {
    const length = await input.take(4);
    if (length === null) throw broken(`it ends after ${number} chunks, and the last of them is not its end`);
    const bytes = length.readUInt32BE();
    if (bytes < tagBytes || bytes > chunkBytes + tagBytes)
      throw broken(`chunk ${number} is ${bytes} bytes long`);
    const sealed = await input.take(bytes);
    if (sealed === null) throw broken(`it ends inside of chunk ${number}`);
    const middle = opened(key, number, sealed, boundTo(bound, false));
    if (middle !== null) {
      yield middle;
      continue;
    }
    const last = opened(key, number, sealed, boundTo(bound, true));
    if (last === null) throw broken(`chunk ${number} was changed, moved, or is of another file`);
    yield last;
    if ((await input.take(1)) !== null) throw broken("something follows its last chunk");
    return;
  }
}

const boundTo = (bound: Buffer, isLast: boolean): Buffer => Buffer.concat([bound, Buffer.of(isLast ? 1 : 0)]);

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

function opened(key: KeyObject, number: number, sealed: Buffer, aad: Buffer): Buffer | null {
  const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(number), { authTagLength: tagBytes });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  const plain = decipher.update(sealed.subarray(0, -tagBytes));
  try {
    decipher.final();
    return plain;
  } catch {
    // node:crypto has one error for a tag that does not match, and no other is possible here.
    return null;
  }
}

export const broken = (what: string): Fault =>
  new Fault("backup-broken", `the backup cannot be used: ${what}`);

/** Exact numbers of bytes out of pieces of any size. */
class Input {
  private readonly pieces: AsyncIterator<Uint8Array>;
  private held: Buffer = Buffer.alloc(0);
  private isOver = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.pieces = source[Symbol.asyncIterator]();
  }

  /** Null when there are fewer. */
  async take(bytes: number): Promise<Buffer | null> {
    if (!(await this.has(bytes))) return null;
    const taken = this.held.subarray(0, bytes);
    this.held = this.held.subarray(bytes);
    return taken;
  }

  /** Without its end. Null when none ends within so many bytes. */
  async line(bytesMax: number): Promise<string | null> {
    let at = this.held.indexOf(10);
    while (at === -1 && this.held.length < bytesMax && (await this.has(this.held.length + 1)))
      at = this.held.indexOf(10);
    return at === -1 || at > bytesMax ? null : ((await this.take(at + 1)) as Buffer).toString("utf8", 0, at);
  }

  private async has(bytes: number): Promise<boolean> {
    if (this.held.length >= bytes) return true;
    const pieces = [this.held];
    let held = this.held.length;
    while (held < bytes && !this.isOver) {
      const next = await this.pieces.next();
      if (next.done === true) {
        this.isOver = true;
        break;
      }
      pieces.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
      held += next.value.byteLength;
    }
    this.held = Buffer.concat(pieces);
    return held >= bytes;
  }
}
