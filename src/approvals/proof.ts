import { timingSafeEqual } from "node:crypto";
import type { TenantId } from "../identity/index.ts";
import type { DataKey, Keys } from "../keys/index.ts";

/**
 * Rows prove themselves: a MAC under the tenant's key covers all of a request that never changes, and another each vote. Whoever can
 * write to the database, and no more than that, can neither change what people are asked nor speak in their name.
 */
export interface Prover {
  readonly key: DataKey;
  readonly keys: Pick<Keys, "hmac">;
}

export type ProofKeys = Pick<Keys, "scopeKey" | "hmac">;

export async function proverOf(keys: ProofKeys, tenant: TenantId): Promise<Prover> {
  return { key: await keys.scopeKey(`approval/${tenant}`), keys };
}

/**
 * `values` in an order that never changes, each of which JSON gives back as it was. Not the canonical form: that takes ten times as
 * long, and nobody else ever makes this text.
 */
export const proofOf = (
  kind: "request" | "reasons" | "vote",
  values: readonly unknown[],
  { key, keys }: Prover,
): string =>
  keys.hmac(key, `dev.signalbox/approval-${kind}/v1\n${JSON.stringify(values)}`).toString("base64");

/** Whatever stands in the store in place of a proof: bytes are compared, and their number first. */
export function isSameProof(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}
