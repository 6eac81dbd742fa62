import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { openCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { consistencyRanges, rangeHash, verifyConsistency } from "./merkle.ts";
import { parseVerifierKey, strictBase64 } from "./note.ts";
import { TileReader } from "./tiles.ts";

/** RFC 6962, 2.1.2: that the first `second` entries of a tenant's log begin with its first `first`; empty when either is trivial. */
export async function consistencyProof(
  read: Pick<Store, "get">,
  tenant: TenantId,
  first: number,
  second: number,
): Promise<readonly Uint8Array[]> {
  if (first === 0 || first === second) return [];
  const { subtree } = new TileReader(read, tenant);
  return Promise.all(consistencyRanges(first, second).map((range) => rangeHash(range, subtree)));
}

export interface ConsistencyProblem {
  readonly problem: "key" | "malformed" | "signature" | "origin" | "inconsistent";
  readonly detail: string;
}

/**
 * Whether the log of the newer checkpoint begins with that of the older one. `proof` in base64, as a node gives it; without a key nothing
 * is known of who signed them.
 */
export function verifyCheckpoints(
  older: string,
  newer: string,
  proof: readonly string[],
  verifierKey: string | null,
): Result<{ readonly origin: string; readonly first: number; readonly second: number }, ConsistencyProblem> {
  const no = (problem: ConsistencyProblem["problem"], detail: string) =>
    refuse<ConsistencyProblem>({ problem, detail });
  const [from, to] = [parseCheckpoint(older), parseCheckpoint(newer)];
  if (from === null || to === null) return no("malformed", "one of the two is not a checkpoint");
  if (verifierKey !== null) {
    const trusted = parseVerifierKey(verifierKey);
    if (trusted === null) return no("key", "the verifier key is not one of the form <origin>+<id>+<key>");
    for (const note of [older, newer]) {
      const opened = openCheckpoint(note, trusted);
      if (!opened.ok) return no("signature", opened.refusal.detail);
    }
  }
  if (from.origin !== to.origin) return no("origin", `${from.origin} and ${to.origin} are two logs`);
  const hashes = proof.map(strictBase64);
  if (hashes.some((hash) => hash === null))
    return no("malformed", "the proof is not one of hashes in base64");
  if (!verifyConsistency(from.size, to.size, hashes as Buffer[], from.root, to.root)) {
    return no(
      "inconsistent",
      `the ${to.size} entries of the newer checkpoint do not begin with the ${from.size} of the older one`,
    );
  }
  return ok({ origin: to.origin, first: from.size, second: to.size });
}
