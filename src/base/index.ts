/**
 * base: ids, the three clocks, randomness, canonical JSON and digests, results, faults, deadlines, bounded queue, cohorts, plain header lines.
 * Knows no domain word, holds nothing, emits nothing. Its one error type is Fault, with codes from contract.
 */
export type { Brand } from "./brand.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export {
  ManualClock,
  delay,
  elapsedMs,
  keepProcess,
  msOf,
  plusMs,
  storeMs,
  systemClock,
  wallMs,
} from "./clock.ts";
export type { CancelTimer, Clock, MonotonicMs, StoreMs, WallMs } from "./clock.ts";
export { deadlineIn, remainingMs } from "./deadline.ts";
export type { Deadline } from "./deadline.ts";
export { Cohort } from "./cohort.ts";
export { canonicalDigest, canonicalJson, commitment, sha256, sha256Hex } from "./digest.ts";
export type { Sha256Hex } from "./digest.ts";
export { Fault, explain, faultFrom, invariant, unreachable } from "./fault.ts";
export { plainHeaderLines } from "./header-lines.ts";
export { newId } from "./ids.ts";
export { interruptible } from "./interruptible.ts";
export { hasMember, memberSpan } from "./json-span.ts";
export { makeDirectories } from "./make-directories.ts";
export { nodeHttp } from "./node-http.ts";
export { OneAtATime } from "./one-at-a-time.ts";
export { ownFile } from "./own-files.ts";
export { Rounds } from "./rounds.ts";
export { RecentMap } from "./recent-map.ts";
export { randomBelow, seededRandom, systemRandom } from "./random.ts";
export type { Random } from "./random.ts";
export { ok, refuse } from "./result.ts";
export type { Result } from "./result.ts";
export { parseStrictBytes, parseStrictJson } from "./strict-json.ts";
export type { JsonBounds } from "./strict-json.ts";
