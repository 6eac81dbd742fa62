import type { WallMs } from "./clock.ts";
import { msOf } from "./clock.ts";
import type { Random } from "./random.ts";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base32, lower case
/** All pairs of letters: a string that grows letter by letter takes twice as long and leaves twice as much behind. */
const pairs = Array.from({ length: 1024 }, (_, n) => alphabet.charAt(n >> 5) + alphabet.charAt(n & 31));

let lastMs = -1;
let lastPrefix = "";

/**
 * `<prefix>_<26 characters>`: 48 bits of wall time, then 80 random bits (the layout of a ULID, lower case). Ids sort roughly by
 * the time of their making, which keeps database indexes append-mostly; nothing may rely on that order.
 */
export function newId(prefix: string, now: WallMs, random: Random): string {
  const ms = msOf(now);
  if (ms !== lastMs) {
    lastPrefix = "";
    for (let rest = ms, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) {
      lastPrefix = alphabet.charAt(rest % 32) + lastPrefix;
    }
    lastMs = ms;
  }
  const bytes = random.bytes(16);
  return `${prefix}_${lastPrefix}${fourLetters(bytes, 0)}${fourLetters(bytes, 4)}${fourLetters(bytes, 8)}${fourLetters(bytes, 12)}`;
}

const fourLetters = (bytes: Uint8Array, at: number): string =>
  twoLetters(bytes, at) + twoLetters(bytes, at + 2);

const twoLetters = (bytes: Uint8Array, at: number): string =>
  pairs[(((bytes[at] ?? 0) & 31) << 5) | ((bytes[at + 1] ?? 0) & 31)] ?? "";
