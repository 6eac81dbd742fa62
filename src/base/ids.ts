import type { WallMs } from "./clock.ts";
import { msOf } from "./clock.ts";
import type { Random } from "./random.ts";

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"; // Crockford base32, lower case

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
  let tail = "";
  for (let i = 0; i < 16; i++) tail += alphabet.charAt((bytes[i] ?? 0) & 31);
  return `${prefix}_${lastPrefix}${tail}`;
}
