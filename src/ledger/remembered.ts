import type { TenantId } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import type { RecoveryReason } from "./reviews.ts";
import { headTable, sequenceTable } from "./tables.ts";

/**
 * Whether a tenant's log still has what a checkpoint that was kept outside of the store covers; null = it has. Quick, for every start: it
 * compares with the checkpoint that was signed at that size. That the entries are what it covers, `verifyLedger` proves.
 */
export async function rememberedProblem(
  read: Pick<Store, "get" | "list">,
  tenant: TenantId,
  note: string,
): Promise<{ readonly reason: Exclude<RecoveryReason, "restored">; readonly detail: string } | null> {
  const remembered = parseCheckpoint(note);
  if (remembered === null)
    return { reason: "forked", detail: `what is remembered of tenant ${tenant} does not read` };
  const { origin, size, root } = remembered;
  const head = await read.get(headTable, { tenant });
  if (head !== null && head.origin !== origin)
    return {
      reason: "forked",
      detail: `the log of tenant ${tenant} is ${head.origin}; ${origin} is remembered`,
    };
  const present = head?.size ?? 0;
  if (present < size) {
    const detail = `the log of tenant ${tenant} has ${present} proven entries; a checkpoint over ${size} was signed`;
    return { reason: "short", detail };
  }
  // Batches end where a checkpoint was signed, so this one ends exactly there.
  const [batch] = await read.list(sequenceTable, {
    index: "key",
    equals: { tenant },
    upTo: size - 1,
    order: "descending",
    limit: 1,
  });
  const signed = batch === undefined ? null : parseCheckpoint(batch.checkpoint);
  if (signed?.size === size && Buffer.from(signed.root).equals(root)) return null;
  const detail = `the first ${size} entries of tenant ${tenant} are not those that a remembered checkpoint covers`;
  return { reason: "forked", detail };
}
