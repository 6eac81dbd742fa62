import type { WallMs } from "../base/index.ts";
import { msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { RunId } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import type { ApprovalId, ApprovalRequest, Endorsement } from "./request.ts";
import { endorsementTable } from "./tables.ts";

/**
 * What a request endorses once it is approved; the first that did stays on record. Outside a run there is nothing that a yes could
 * last for.
 */
export async function endorsementWrites(
  request: ApprovalRequest,
  at: WallMs,
  store: Pick<Store, "get">,
): Promise<readonly Write[]> {
  const { run, tenant, endorses } = request;
  if (run === null) return [];
  const writes: Write[] = [];
  for (const { policyId, digest } of endorses) {
    const key = { tenant, run, policyId, digest };
    if ((await store.get(endorsementTable, key)) !== null) continue;
    writes.push(insert(endorsementTable, { ...key, approval: request.id, at: msOf(at) }));
  }
  return writes;
}

/** The approval that endorsed these values for this run; null = none has. */
export async function endorsedBy(
  store: Pick<Store, "get">,
  tenant: TenantId,
  run: RunId,
  { policyId, digest }: Endorsement,
): Promise<ApprovalId | null> {
  const row = await store.get(endorsementTable, { tenant, run, policyId, digest });
  return row === null ? null : (row.approval as ApprovalId); // as it was written
}
