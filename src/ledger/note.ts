import type { KeyObject } from "node:crypto";
import { createPublicKey, verify } from "node:crypto";
import type { Result } from "../base/index.ts";
import { ok, refuse, sha256 } from "../base/index.ts";

/** C2SP signed-note with Ed25519 signatures (type 0x01). */

/** 16 signatures must be accepted, post-quantum ones have 5 kB; ours has one of 100 bytes. */
const noteBytesMax = 131_072;
const signaturesMax = 32;
const ed25519 = Buffer.of(1);

/** A public key under a name: what a verifier has to be given. Text form `<name>+<key id>+<base64 of 0x01 and the key>`. */
export interface VerifierKey {
  readonly name: string;
  /** 8 hex digits. */
  readonly id: string;
  /** 32 bytes (RFC 8032). */
  readonly raw: Uint8Array;
  readonly key: KeyObject;
}

/** A name a note can carry: no spaces, no "+", no control characters. */
export const isKeyName = (name: string): boolean =>
  name.length > 0 && name.isWellFormed() && !/[\s+\p{Cc}\p{Zs}]/u.test(name);

export function verifierKeyText(name: string, publicKey: Uint8Array): string {
  return `${name}+${keyId(name, publicKey).toString("hex")}+${Buffer.concat([ed25519, publicKey]).toString("base64")}`;
}

export const verifierKey = (name: string, publicKey: Uint8Array): VerifierKey => ({
  name,
  id: keyId(name, publicKey).toString("hex"),
  raw: publicKey,
  key: createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey]), // RFC 8410 SPKI
    format: "der",
    type: "spki",
  }),
});

/** Null when the text is not a verifier key of a type we know, or its id does not belong to it. */
export function parseVerifierKey(text: string): VerifierKey | null {
  const [, name, id, encoded] = /^([^+\n]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name)) return null;
  const bytes = strictBase64(encoded);
  if (bytes === null || bytes.byteLength !== 33 || bytes[0] !== 1) return null;
  const publicKey = bytes.subarray(1);
  return keyId(name, publicKey).toString("hex") === id ? verifierKey(name, publicKey) : null;
}

/** `text` ends in a newline. */
export function signNote(
  text: string,
  name: string,
  publicKey: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): string {
  const signature = Buffer.concat([keyId(name, publicKey), sign(Buffer.from(text, "utf8"))]);
  return `${text}\n— ${name} ${signature.toString("base64")}\n`;
}

export interface NoteProblem {
  readonly problem: "malformed" | "unsigned" | "bad-signature";
  readonly detail: string;
}

/** The note's text, once the given key's signature has been verified. Signatures of other keys are ignored. */
export function openNote(note: string, trusted: VerifierKey): Result<string, NoteProblem> {
  const malformed = (detail: string) => refuse<NoteProblem>({ problem: "malformed", detail });
  if (note.length > noteBytesMax) return malformed(`longer than ${noteBytesMax} characters`);
  if (!note.isWellFormed() || /[^\P{Cc}\n]/u.test(note)) return malformed("control characters");
  const split = note.lastIndexOf("\n\n");
  if (split === -1 || !note.endsWith("\n")) return malformed("no signatures");
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > signaturesMax) return malformed(`more than ${signaturesMax} signatures`);
  let isSigned = false;
  for (const line of lines) {
    const [, name, encoded] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
    const bytes = encoded === undefined ? null : strictBase64(encoded);
    if (name === undefined || !isKeyName(name) || bytes === null || bytes.byteLength < 5) {
      return malformed("a signature line that is none");
    }
    if (name !== trusted.name || bytes.subarray(0, 4).toString("hex") !== trusted.id) continue;
    if (!verify(null, Buffer.from(text, "utf8"), trusted.key, bytes.subarray(4))) {
      return refuse({
        problem: "bad-signature",
        detail: `the signature of ${trusted.name}+${trusted.id} is wrong`,
      });
    }
    isSigned = true;
  }
  if (isSigned) return ok(text);
  return refuse({ problem: "unsigned", detail: `no signature of ${trusted.name}+${trusted.id}` });
}

/** Only the one encoding of these bytes: RFC 4648 section 4, padded. */
export function strictBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}

const keyId = (name: string, publicKey: Uint8Array): Buffer =>
  sha256(`${name}\n`, ed25519, publicKey).subarray(0, 4);
