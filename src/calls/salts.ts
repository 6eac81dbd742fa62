import type { ApprovalRequest } from "../approvals/index.ts";
import type { Claim, EntryId } from "../ledger/index.ts";
import type { TenantId } from "../identity/index.ts";
import { entryId, requestEntryId } from "./entries.ts";
import type { House } from "./house.ts";

/** The salt a claim's call was first committed with; null = that record was erased. */
export async function saltOf(claim: Claim, house: House): Promise<Uint8Array | null> {
  for (const entry of firstEntries(claim, house)) {
    const salt = await saltIn(claim.tenant, entry, house);
    if (salt !== undefined) return salt;
  }
  return null;
}

/**
 * Its first record is what people were asked, or else its intent, or its end; all have the same salt. What is open and not under way here
 * nearly always waits for people.
 */
function firstEntries({ call, state }: Claim, { underWay }: House): readonly EntryId[] {
  const [intent, asked] = [entryId(call, 0), requestEntryId(call, 1)];
  return state === "open" && !underWay.has(call) ? [asked, intent] : [intent, asked];
}

export const saltOfRequest = async (request: ApprovalRequest, house: House): Promise<Uint8Array | null> =>
  (await saltIn(request.tenant, request.requestEntry, house)) ?? null;

/** undefined = there is no such entry. */
async function saltIn(
  tenant: TenantId,
  entry: EntryId,
  house: House,
): Promise<Uint8Array | null | undefined> {
  const opened = await house.ledger.payloadOf(tenant, entry);
  if (opened === undefined) return undefined;
  const salt = opened === null || opened.erased ? undefined : opened.payload.salt;
  return salt === undefined ? null : Buffer.from(salt, "base64");
}
