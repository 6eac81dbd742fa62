import { createHash, hash } from "node:crypto";
import canonicalize from "canonicalize";
import type { Brand } from "./brand.ts";

/** SHA-256 in lower-case hex. */
export type Sha256Hex = Brand<"sha256-hex">;

export const sha256Hex = (data: string | Uint8Array): Sha256Hex => hash("sha256", data, "hex") as Sha256Hex;

export const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer => {
  const hasher = createHash("sha256");
  for (const part of parts) hasher.update(part);
  return hasher.digest();
};

/**
 * RFC 8785 text of a JSON value. The value must come from `parseStrictJson` or be made by us: numbers finite and, where whole,
 * safe; strings without lone surrogates. Throws on what has no canonical form.
 */
export function canonicalJson(value: unknown): string {
  const text = plainText(value, nestedMax) ?? canonicalize(value);
  if (text === undefined) throw new TypeError("value has no canonical JSON form");
  return text;
}

/** Nearly everything is less deep; what is deeper, or a circle, is the library's. */
const nestedMax = 8;

/**
 * Nearly everything is made of plain objects, arrays, texts and numbers, which needs neither a stack nor a set against circles: a third
 * of the garbage of the library's way. null = it is something else, or something that the library has to refuse.
 */
function plainText(value: unknown, depth: number): string | null {
  if (typeof value !== "object" || value === null) return isPlain(value) ? JSON.stringify(value) : null;
  if (depth === 0) return null;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype)
    return objectText(value as Readonly<Record<string, unknown>>, depth - 1);
  return prototype === Array.prototype ? arrayText(value as readonly unknown[], depth - 1) : null;
}

function objectText(members: Readonly<Record<string, unknown>>, depth: number): string | null {
  let text = "{";
  for (const key of inOrder(Object.keys(members))) {
    const member = plainText(members[key], depth);
    if (member === null || !key.isWellFormed()) return null;
    text += `${text === "{" ? "" : ","}${JSON.stringify(key)}:${member}`;
  }
  return `${text}}`;
}

function arrayText(items: readonly unknown[], depth: number): string | null {
  let text = "[";
  for (const item of items) {
    const one = plainText(item, depth);
    if (one === null) return null;
    text += `${text === "[" ? "" : ","}${one}`;
  }
  return `${text}]`;
}

/** By UTF-16 code units, as RFC 8785 asks and as comparing does. Sorting a few by hand leaves nothing behind; `sort` 800 bytes. */
function inOrder(keys: string[]): string[] {
  if (keys.length > fewKeysMax) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string;
    let at = i;
    for (; at > 0 && (keys[at - 1] as string) > key; at--) keys[at] = keys[at - 1] as string;
    keys[at] = key;
  }
  return keys;
}

const fewKeysMax = 16;

function isPlain(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value);
  return typeof value === "boolean" || value === null;
}

export const canonicalDigest = (value: unknown): Sha256Hex => sha256Hex(canonicalJson(value));

/** Commitment = SHA-256(salt || bytes), base64. `salt` has 16 random bytes and is kept with the payload, never in the open. */
export function commitment(salt: Uint8Array, bytes: string | Uint8Array): string {
  // A UTF-16 unit becomes at most three bytes.
  const roomNeeded = salt.byteLength + (typeof bytes === "string" ? bytes.length * 3 : bytes.byteLength);
  if (roomNeeded > scratch.byteLength) {
    return createHash("sha256").update(salt).update(bytes).digest("base64");
  }
  scratch.set(salt);
  let length = salt.byteLength;
  if (typeof bytes === "string") length += scratch.write(bytes, length, "utf8");
  else {
    scratch.set(bytes, length);
    length += bytes.byteLength;
  }
  return hash("sha256", scratch.subarray(0, length), "base64");
}

/**
 * Salt and bytes side by side, for a hash in one call: a hasher object costs half as much again, and each is one more thing
 * outside the heap for the collector to follow, three per call. Holds arguments of the last call; so does the heap.
 */
const scratch = Buffer.allocUnsafeSlow(16_384);
