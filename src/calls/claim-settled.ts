import { plusMs } from "../base/index.ts";
import type { EntryId, OpenCall, Outcome } from "../ledger/index.ts";
import { keyKeptMs, settleClaim } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";

/**
 * What becomes of the claim of an open call that has ended without anybody driving it; null = it has none. Such a call may have
 * waited for days, so a key is remembered for its time from here on: otherwise it would be free the moment its call ends.
 */
export async function claimSettled(
  { claim, tenant, call }: OpenCall,
  outcome: Outcome,
  entry: EntryId,
  store: Pick<Store, "now">,
): Promise<Write | null> {
  if (claim === null) return null;
  const keptUntil = claim.scope.startsWith("key:") ? plusMs(await store.now(), keyKeptMs) : null;
  return settleClaim(tenant, claim, call, outcome.kind, entry, keptUntil);
}
