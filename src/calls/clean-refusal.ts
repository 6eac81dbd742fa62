import type { Refusal } from "../../contract/index.ts";
import type { TenantId } from "../identity/index.ts";
import { removeKnownSecrets } from "../screening/index.ts";
import type { House } from "./house.ts";

/** A refusal can quote a server: why it is down are often the last words that it said itself. */
export function cleanRefusal(refusal: Refusal, tenant: TenantId, { vault }: Pick<House, "vault">): Refusal {
  const { text, removed } = removeKnownSecrets(refusal.detail, vault.knownSecrets(tenant));
  return removed === 0 ? refusal : { ...refusal, detail: text };
}
