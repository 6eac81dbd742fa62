import { createSecretKey } from "node:crypto";
import type { Random } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import { decrypt, encrypt, ivBytes, keyBytes, tagBytes } from "./aead.ts";
import type { DataKey } from "./data-key.ts";
import { keyIdBytes, sealFormat } from "./data-key.ts";
import { counterBytes, unwrapKey } from "./key-wrap.ts";

/*
 * [1 format][8 id of the scope's key][16 counter block][32 payload key, wrapped][12 iv][n payload, encrypted][16 tag]
 *
 * Everything before the iv is authenticated with the payload, and so is the caller's `aad`.
 */
const headerBytes = 1 + keyIdBytes;
const frontBytes = headerBytes + counterBytes + keyBytes;
const bodyAt = frontBytes + ivBytes;

/** What sealing adds to a payload. */
const sealOverheadBytes = bodyAt + tagBytes;

/** Front and aad, joined for authentication. Reused: everything here is synchronous. A longer aad gets its own. */
const scratch = Buffer.alloc(1024);

/** Seals under a fresh key of its own, which the scope's key wraps. On the hot path: one cipher, one draw, one allocation. */
export function seal(key: DataKey, plaintext: Uint8Array | string, aad: string, random: Random): Uint8Array {
  const drawn = random.bytes(keyBytes + ivBytes);
  const secret = drawn.subarray(0, keyBytes);
  const iv = drawn.subarray(keyBytes);
  const bound = roomFor(aad);
  bound.set(key.header, 0);
  key.wrapping.wrap(secret, bound, headerBytes);
  const body = encrypt(createSecretKey(secret), iv, plaintext, withAad(bound, aad));
  secret.fill(0);

  // Not from Buffer's pool: the store may hand these bytes to another thread, which would copy the whole pool.
  const out = new Uint8Array(sealOverheadBytes + body.ciphertext.byteLength);
  out.set(bound.subarray(0, frontBytes), 0);
  out.set(iv, frontBytes);
  out.set(body.ciphertext, bodyAt);
  out.set(body.tag, bodyAt + body.ciphertext.byteLength);
  return out;
}

/** Throws Fault `erased` when the bytes name another key of this scope, `internal` when they were changed. */
export function open(key: DataKey, sealed: Uint8Array, aad: string): Uint8Array {
  if (sealed.byteLength < sealOverheadBytes || sealed[0] !== sealFormat) throw changed(key);
  if (!isSealedBy(key, sealed)) {
    throw new Fault("erased", "sealed under a key of this scope that no longer exists", {
      evidence: { scope: key.scope },
    });
  }
  const secret = unwrapKey(key.wrapKey, sealed, headerBytes);
  const bound = roomFor(aad);
  bound.set(sealed.subarray(0, frontBytes), 0);
  const plaintext = decrypt(
    createSecretKey(secret),
    sealed.subarray(frontBytes, bodyAt),
    sealed.subarray(bodyAt, -tagBytes),
    sealed.subarray(-tagBytes),
    withAad(bound, aad),
  );
  secret.fill(0);
  if (plaintext === null) throw changed(key);
  return plaintext;
}

/** Whether `key` is the one these bytes name. False after the scope was erased and used again. */
export function isSealedBy(key: DataKey, sealed: Uint8Array): boolean {
  return sealed.byteLength >= headerBytes && key.header.equals(sealed.subarray(0, headerBytes));
}

/** At most three bytes of UTF-8 per UTF-16 unit. */
const roomFor = (aad: string): Buffer =>
  frontBytes + aad.length * 3 <= scratch.byteLength ? scratch : Buffer.alloc(frontBytes + aad.length * 3);

const withAad = (bound: Buffer, aad: string): Buffer =>
  bound.subarray(0, frontBytes + bound.write(aad, frontBytes, "utf8"));

function changed(key: DataKey): Fault {
  return new Fault("internal", "sealed bytes do not open: changed, moved or cut", {
    effect: "none",
    evidence: { scope: key.scope },
  });
}
