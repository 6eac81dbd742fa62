import type { ApprovalRequest } from "../approvals/index.ts";
import type { Claim, EntryId } from "../ledger/index.ts";
import type { TenantId } from "../identity/index.ts";
import { entryId, requestEntryId } from "./entries.ts";
import type { House } from "./house.ts";

/** The salt a claim's call was first committed with; null = that record was erased. */
export async function saltOf(claim: Claim, house: House): Promise<Uint8Array | null> {
  const first = await saltIn(claim.tenant, entryId(claim.call, 0), house);
  if (first !== undefined) return first;
  // Its first record is what people were asked; asked anew they are with the same salt.
  return (await saltIn(claim.tenant, requestEntryId(claim.call, 1), house)) ?? null;
}

export const saltOfRequest = async (request: ApprovalRequest, house: House): Promise<Uint8Array | null> =>
  (await saltIn(request.tenant, request.requestEntry, house)) ?? null;

/** undefined = there is no such entry. */
async function saltIn(
  tenant: TenantId,
  entry: EntryId,
  house: House,
): Promise<Uint8Array | null | undefined> {
  const found = await house.ledger.entry(tenant, entry);
  if (found === null) return undefined;
  const opened = await house.ledger.payload(found);
  const salt = opened === null || opened.erased ? undefined : opened.payload.salt;
  return salt === undefined ? null : Buffer.from(salt, "base64");
}
