import type { WallMs } from "../base/index.ts";
import { msOf } from "../base/index.ts";
import type { TenantId } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { RunId } from "../ledger/index.ts";
import type { Store, Write } from "../store/index.ts";
import { insert } from "../store/index.ts";
import { isGranted } from "./grant.ts";
import type { ApprovalId, ApprovalRequest, Endorsement } from "./request.ts";
import { readApproval } from "./request.ts";
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

/**
 * The approval that endorsed these values for this run; null = none has. The row only says where to look: that people said yes, and to
 * what, is what the grant is signed over, so a row that somebody wrote into the database endorses nothing.
 */
export async function endorsedBy(
  store: Pick<Store, "get">,
  keys: Pick<Keys, "publicKey">,
  tenant: TenantId,
  run: RunId,
  { policyId, digest }: Endorsement,
): Promise<ApprovalId | null> {
  const row = await store.get(endorsementTable, { tenant, run, policyId, digest });
  const request = row === null ? null : await readApproval(store, tenant, row.approval as ApprovalId);
  if (request === null || request.run !== run || !isGranted(request, keys)) return null;
  const isEndorsed = request.endorses.some((each) => each.policyId === policyId && each.digest === digest);
  return isEndorsed ? request.id : null;
}
