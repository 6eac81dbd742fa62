import type { Random } from "../base/index.ts";
import { randomBelow } from "../base/index.ts";

/** Doubles from `firstMs` up to `maxMs`; the wait lies between half of that and all of it, so that a fleet does not knock at once. */
export function backoffMs(attempt: number, firstMs: number, maxMs: number, random: Random): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
  const half = Math.ceil(full / 2);
  return half + randomBelow(random, half + 1);
}

/** `ms` give or take a tenth. */
export const around = (ms: number, random: Random): number =>
  Math.round(ms * 0.9) + randomBelow(random, Math.max(1, Math.round(ms * 0.2)));
