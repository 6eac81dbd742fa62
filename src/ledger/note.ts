import type { KeyObject } from "node:crypto";
import { createPublicKey, verify } from "node:crypto";
import type { Result } from "../base/index.ts";
import { ok, refuse, sha256 } from "../base/index.ts";

/** C2SP signed-note with Ed25519 keys: of logs (type 0x01), and of witnesses (type 0x04, see cosignature.ts). */

/** 16 signatures must be accepted, post-quantum ones have 5 kB; ours has one of 100 bytes. */
const noteBytesMax = 131_072;
const signaturesMax = 32;
/** What a key signs: the text of a note as it is, or a witness's statement about it. */
export const keyTypes = { log: 1, witness: 4 } as const;
export type KeyType = (typeof keyTypes)[keyof typeof keyTypes];

/** A public key under a name: what a verifier has to be given. Text form `<name>+<key id>+<base64 of its type and the key>`. */
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

export function verifierKeyText(name: string, publicKey: Uint8Array, type: KeyType = keyTypes.log): string {
  const encoded = Buffer.concat([Buffer.of(type), publicKey]).toString("base64");
  return `${name}+${keyId(name, publicKey, type).toString("hex")}+${encoded}`;
}

export const verifierKey = (
  name: string,
  publicKey: Uint8Array,
  type: KeyType = keyTypes.log,
): VerifierKey => ({
  name,
  id: keyId(name, publicKey, type).toString("hex"),
  raw: publicKey,
  key: createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), publicKey]), // RFC 8410 SPKI
    format: "der",
    type: "spki",
  }),
});

/** Null when the text is not a verifier key of this type, or its id does not belong to it. */
export function parseVerifierKey(text: string, type: KeyType = keyTypes.log): VerifierKey | null {
  const [, name, id, encoded] = /^([^+\n]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name)) return null;
  const bytes = strictBase64(encoded);
  if (bytes === null || bytes.byteLength !== 33 || bytes[0] !== type) return null;
  const publicKey = bytes.subarray(1);
  return keyId(name, publicKey, type).toString("hex") === id ? verifierKey(name, publicKey, type) : null;
}

/** `text` ends in a newline. */
export function signNote(
  text: string,
  name: string,
  publicKey: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): string {
  const signature = Buffer.concat([keyId(name, publicKey, keyTypes.log), sign(Buffer.from(text, "utf8"))]);
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
  const parts = partsOfNote(note);
  if (parts === null) return malformed("no signatures");
  const { text, lines } = parts;
  if (lines.length > signaturesMax) return malformed(`more than ${signaturesMax} signatures`);
  let isSigned = false;
  for (const line of lines) {
    const signature = signatureIn(line);
    if (signature === null) return malformed("a signature line that is none");
    if (signature.name !== trusted.name || signature.keyId !== trusted.id) continue;
    if (!verify(null, Buffer.from(text, "utf8"), trusted.key, signature.bytes)) {
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

/** The text with its last newline, and the signature lines without theirs; null when it is no note. Verifies nothing. */
export function partsOfNote(
  note: string,
): { readonly text: string; readonly lines: readonly string[] } | null {
  const split = note.lastIndexOf("\n\n");
  if (split === -1 || !note.endsWith("\n")) return null;
  return { text: note.slice(0, split + 1), lines: note.slice(split + 2, -1).split("\n") };
}

/** Null when the line is no signature line. */
export function signatureIn(
  line: string,
): { readonly name: string; readonly keyId: string; readonly bytes: Buffer } | null {
  const [, name, encoded] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  const bytes = encoded === undefined ? null : strictBase64(encoded);
  if (name === undefined || !isKeyName(name) || bytes === null || bytes.byteLength < 5) return null;
  return { name, keyId: bytes.subarray(0, 4).toString("hex"), bytes: bytes.subarray(4) };
}

/** Only the one encoding of these bytes: RFC 4648 section 4, padded. */
export function strictBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}

export const keyId = (name: string, publicKey: Uint8Array, type: KeyType): Buffer =>
  sha256(`${name}\n`, Buffer.of(type), publicKey).subarray(0, 4);
