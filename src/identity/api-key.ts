import type { Random } from "../base/index.ts";

const prefix = "sbk_";
const keyBytes = 32;
const keyChars = 4 + 43; // prefix and 32 bytes in base64url

/** The whole key, 256 random bits. Only its hash is kept. The prefix lets secret scanners find lost ones. */
export const newApiKey = (random: Random): string =>
  prefix + Buffer.from(random.bytes(keyBytes)).toString("base64url");

export const looksLikeApiKey = (token: string): boolean =>
  token.length === keyChars && token.startsWith(prefix);
