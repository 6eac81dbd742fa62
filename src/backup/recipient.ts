import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from "node:crypto";
import type { Random } from "../base/index.ts";
import { Fault } from "../base/index.ts";

/**
 * Backups are sealed for a recipient: an X25519 key, of which a node needs the public half alone. So whoever takes over a node, or the job
 * that makes its backups, can read none of them. Each file has a key of its own, agreed on with a fresh key that is forgotten afterwards.
 */

/** What a file is sealed with, and the line in front of it from which its recipient makes the key again. */
export interface FileSeal {
  readonly key: Uint8Array;
  readonly envelope: string;
}

const publicPrefix = "sbx-backup:";
const secretPrefix = "sbx-backup-secret:";
const keyBytes = 32;
/** Everything of an X25519 key in PKCS #8 and SPKI that stands before its 32 bytes (RFC 8410, section 7). */
const pkcs8Front = Buffer.from("302e020100300506032b656e04220420", "hex");
const spkiFront = Buffer.from("302a300506032b656e032100", "hex");

/** The text of a new private half. */
export const newBackupSecret = (random: Random): string =>
  `${secretPrefix}${Buffer.from(random.bytes(keyBytes)).toString("base64url")}`;

/** Throws `config-invalid` for what is not one. */
export const secretOf = (text: string): Uint8Array => bytesAfter(secretPrefix, text, "the backup key");

/** Throws `config-invalid` for what is not one. */
export const recipientOf = (text: string): Uint8Array => bytesAfter(publicPrefix, text, "the recipient");

export const recipientOfSecret = (secret: Uint8Array): string =>
  `${publicPrefix}${rawOf(privateKey(secret)).toString("base64url")}`;

/** A key for one file that is for this recipient. */
export function sealFor(recipient: Uint8Array, random: Random): FileSeal {
  const own = random.bytes(keyBytes);
  const ephemeral = rawOf(privateKey(own));
  const key = fileKey(own, recipient, ephemeral, recipient);
  own.fill(0);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  return { key, envelope: JSON.stringify({ recipient: text(recipient), ephemeral: text(ephemeral) }) };
}

/** The key of a file that was sealed for the holder of this secret. Throws `config-invalid` when it is for somebody else. */
export function openFor(secret: Uint8Array, envelope: string): Uint8Array {
  const { recipient, ephemeral } = parsed(envelope);
  const own = rawOf(privateKey(secret));
  if (!own.equals(recipient)) {
    throw new Fault(
      "config-invalid",
      `the backup is for ${publicPrefix}${recipient.toString("base64url")}, and this key is that of ${publicPrefix}${own.toString("base64url")}`,
    );
  }
  return fileKey(secret, ephemeral, ephemeral, recipient);
}

function parsed(envelope: string): { readonly recipient: Buffer; readonly ephemeral: Buffer } {
  try {
    const { recipient, ephemeral } = JSON.parse(envelope) as Readonly<Record<string, unknown>>;
    if (typeof recipient === "string" && typeof ephemeral === "string") {
      const found = {
        recipient: Buffer.from(recipient, "base64url"),
        ephemeral: Buffer.from(ephemeral, "base64url"),
      };
      if (found.recipient.length === keyBytes && found.ephemeral.length === keyBytes) return found;
    }
  } catch {
    // said below
  }
  throw new Fault("backup-broken", "the line that says whom the backup is for does not read");
}

function fileKey(
  own: Uint8Array,
  other: Uint8Array,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
): Uint8Array {
  const shared = diffieHellman({ privateKey: privateKey(own), publicKey: publicKey(other) });
  const salt = Buffer.concat([ephemeral, recipient]);
  return new Uint8Array(hkdfSync("sha256", shared, salt, "signalbox backup file key 1", keyBytes));
}

const privateKey = (secret: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([pkcs8Front, secret]), format: "der", type: "pkcs8" });

const publicKey = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([spkiFront, raw]), format: "der", type: "spki" });

const rawOf = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-keyBytes);

function bytesAfter(prefix: string, given: string, what: string): Uint8Array {
  const text = given.trim();
  const bytes = Buffer.from(text.slice(prefix.length), "base64url");
  if (!text.startsWith(prefix) || bytes.length !== keyBytes)
    throw new Fault("config-invalid", `${what} must be ${prefix}<${keyBytes} bytes in base64url>`);
  return bytes;
}
