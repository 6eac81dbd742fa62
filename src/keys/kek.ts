import type { KeyObject } from "node:crypto";
import { createSecretKey } from "node:crypto";
import type { Random } from "../base/index.ts";
import { Fault, sha256 } from "../base/index.ts";
import { decrypt, encrypt, ivBytes, keyBytes, tagBytes } from "./aead.ts";

const format = 1;
const idBytes = 8;
const headerBytes = 1 + idBytes;

/**
 * A key-encryption key. It wraps scope keys and signing keys: `[1][kek id 8][iv 12][ciphertext][tag 16]`, bound to a purpose.
 * Its id is a hash of the key, so that a wrong key is known before anything is opened with it.
 */
export class Kek {
  readonly id: string;
  private readonly header: Buffer;
  private readonly key: KeyObject;

  constructor(bytes: Uint8Array) {
    if (bytes.byteLength !== keyBytes) {
      throw new Fault(
        "config-invalid",
        `the key-encryption key has ${bytes.byteLength} bytes; it must have ${keyBytes}`,
      );
    }
    const id = sha256("signalbox key-encryption key id\n", bytes).subarray(0, idBytes);
    this.id = id.toString("hex");
    this.header = Buffer.concat([Buffer.of(format), id]);
    this.key = createSecretKey(bytes);
  }

  wrap(secret: Uint8Array, purpose: string, random: Random): Uint8Array {
    const iv = random.bytes(ivBytes);
    const sealed = encrypt(this.key, iv, secret, this.aad(purpose));
    return Buffer.concat([this.header, iv, sealed.ciphertext, sealed.tag]);
  }

  unwrap(wrapped: Uint8Array, purpose: string): Buffer {
    const body = headerBytes + ivBytes;
    const opened =
      wrapped.byteLength > body + tagBytes && this.header.equals(wrapped.subarray(0, headerBytes))
        ? decrypt(
            this.key,
            wrapped.subarray(headerBytes, body),
            wrapped.subarray(body, -tagBytes),
            wrapped.subarray(-tagBytes),
            this.aad(purpose),
          )
        : null;
    if (opened === null) {
      throw new Fault("internal", `the stored key for ${purpose} was changed: it does not open`, {
        effect: "none",
        evidence: { purpose, kek: this.id },
      });
    }
    return opened;
  }

  private aad(purpose: string): Buffer {
    return Buffer.concat([this.header, Buffer.from(purpose, "utf8")]);
  }
}
