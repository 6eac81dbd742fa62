import type { KeyObject } from "node:crypto";
import { createCipheriv, createDecipheriv } from "node:crypto";

export const keyBytes = 32;
/** 96 bits, the length GCM takes without hashing. Random, so one key may wrap at most 2^32 others (NIST SP 800-38D, 8.3). */
export const ivBytes = 12;
export const tagBytes = 16;

/** What AES-256-GCM makes of `plaintext`; the tag is apart, so that the caller can lay out its bytes once. */
export interface Sealed {
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

export function encrypt(key: KeyObject, iv: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Sealed {
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final(); // GCM is a stream: nothing is left to come
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** null when anything was changed: key, iv, bytes, tag or aad. */
export function decrypt(
  key: KeyObject,
  iv: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
  aad: Uint8Array,
): Buffer | null {
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes });
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
    return plaintext;
  } catch {
    // node:crypto has one error for a tag that does not match, and no other is possible here.
    return null;
  }
}
