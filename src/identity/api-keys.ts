import type { Result } from "../base/index.ts";
import { newId, ok, plusMs, refuse, sha256Hex } from "../base/index.ts";
import type { Change } from "../store/index.ts";
import { newApiKey } from "./api-key.ts";
import type { Ground } from "./changes.ts";
import { hasRoomForKey, revision, standingFor } from "./changes.ts";
import { keyTtlMaxMs, keysPerPrincipalMax } from "./limits.ts";
import { checkLabel } from "./names.ts";
import type { Principal, PrincipalId } from "./principal.ts";
import type { ApiKeyId, ApiKeyRecord, StoredKey } from "./records.ts";
import { publicKeyRecord } from "./records.ts";
import { noSuch } from "./refusals.ts";

export interface NewApiKey {
  /** For people: where the key is used. */
  readonly label: string;
  readonly ttlMs: number | null; // null = until revoked
}

/** `secret` is the key itself: shown once, kept nowhere. */
export interface IssuedApiKey {
  readonly record: ApiKeyRecord;
  readonly secret: string;
}

export function issueApiKey(
  ground: Ground,
  actor: Principal,
  principal: PrincipalId,
  { label, ttlMs }: NewApiKey,
): Result<Change<IssuedApiKey>> {
  const checkedLabel = checkLabel(label);
  if (!checkedLabel.ok) return checkedLabel;
  if (ttlMs !== null && !(ttlMs > 0 && ttlMs <= keyTtlMaxMs)) {
    return refuse({
      code: "invalid-params",
      detail: `A key lives between 1 and ${keyTtlMaxMs} ms, or until it is revoked; ${ttlMs} was asked for.`,
    });
  }
  const found = standingFor(ground.directory, actor, principal);
  if (!found.ok) return found;
  if (!hasRoomForKey(found.value)) {
    return refuse({
      code: "conflict",
      detail: `The principal already has ${keysPerPrincipalMax} keys. Revoke one first.`,
    });
  }
  const { secret, key } = freshKey(ground, principal, checkedLabel.value, ttlMs);
  return ok(
    revision(ground, found.value, {
      set: {},
      addKey: key,
      value: () => ({ record: publicKeyRecord(key), secret }),
    }),
  );
}

export function revokeApiKey(
  ground: Ground,
  actor: Principal,
  principal: PrincipalId,
  id: ApiKeyId,
): Result<Change<ApiKeyRecord>> {
  const found = standingFor(ground.directory, actor, principal);
  if (!found.ok) return found;
  const key = found.value.keys.find((candidate) => candidate.id === id);
  if (key === undefined) return noSuch("key");
  return ok(revision(ground, found.value, { set: {}, removeKeys: [key], value: () => publicKeyRecord(key) }));
}

function freshKey(
  { clock, random }: Ground,
  principal: PrincipalId,
  label: string,
  ttlMs: number | null,
): { secret: string; key: StoredKey } {
  const secret = newApiKey(random);
  const createdAt = clock.wall();
  const key: StoredKey = {
    id: newId("key", createdAt, random) as ApiKeyId,
    principal,
    label,
    hash: sha256Hex(secret),
    createdAt,
    expiresAt: ttlMs === null ? null : plusMs(createdAt, ttlMs),
  };
  return { secret, key };
}
