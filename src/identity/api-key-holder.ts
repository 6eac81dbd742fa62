import type { Clock, Result } from "../base/index.ts";
import { elapsedMs, ok, sha256Hex } from "../base/index.ts";
import { looksLikeApiKey } from "./api-key.ts";
import type { Directory, Standing } from "./directory.ts";
import type { Principal, PrincipalId, TenantId } from "./principal.ts";
import type { ApiKeyId, ApiKeyRecord, PrincipalRecord, StoredKey } from "./records.ts";
import { publicKeyRecord } from "./records.ts";
import { noSuch, principalDisabled, tokenExpired, unauthenticated } from "./refusals.ts";

/** An API key and whose it is, both good now. */
export interface KeyHolding {
  readonly principal: Principal;
  readonly record: PrincipalRecord;
  readonly key: ApiKeyRecord;
}

interface Look {
  readonly clock: Clock;
  readonly directory: Directory;
}

/** A token is not a key, however good it is: what lives for minutes must not be made into what lives for hours. */
export function holdingOfSecret(look: Look, secret: string): Result<KeyHolding> {
  if (!looksLikeApiKey(secret)) return unauthenticated("no-such-key");
  const holder = look.directory.holderOf(sha256Hex(secret));
  return holder === null ? unauthenticated("no-such-key") : holding(look, holder.standing, holder.key);
}

/** Of a key that was shown before; refused when it, its principal or the principal's epoch are other ones now. */
export function holdingOfId(
  look: Look,
  at: {
    readonly tenant: TenantId;
    readonly principal: PrincipalId;
    readonly key: ApiKeyId;
    readonly epoch: number;
  },
): Result<KeyHolding> {
  const standing = look.directory.standing(at.principal);
  if (standing === null || standing.record.tenant !== at.tenant) return noSuch("principal");
  const key = standing.keys.find(({ id }) => id === at.key);
  if (key === undefined) return noSuch("key");
  return standing.record.epoch === at.epoch ? holding(look, standing, key) : principalDisabled;
}

function holding({ clock }: Look, { record, answer }: Standing, key: StoredKey): Result<KeyHolding> {
  if (!record.enabled) return principalDisabled;
  if (key.expiresAt !== null && elapsedMs(clock.wall(), key.expiresAt) >= 0) return tokenExpired;
  return ok({ principal: answer.value, record, key: publicKeyRecord(key) });
}
