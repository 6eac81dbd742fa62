import type { Result } from "../base/index.ts";
import { ok } from "../base/index.ts";
import type { Change } from "../store/index.ts";
import type { Ground, Revision } from "./changes.ts";
import { creation, revision, standingFor } from "./changes.ts";
import { checkRoles } from "./names.ts";
import type { Principal, PrincipalId, PrincipalKind } from "./principal.ts";
import type { PrincipalRecord } from "./records.ts";

export interface NewPrincipal {
  readonly name: string;
  readonly roles: readonly string[];
}

export const createPrincipal = (
  ground: Ground,
  actor: Principal,
  kind: PrincipalKind,
  { name, roles }: NewPrincipal,
): Result<Change<PrincipalRecord>> => creation(ground, actor.tenant, kind, name, roles);

/** Takes effect with the next request, also for tokens already out: roles are not in them. */
export function setRoles(
  ground: Ground,
  actor: Principal,
  id: PrincipalId,
  roles: readonly string[],
): Result<Change<PrincipalRecord>> {
  const checked = checkRoles(roles);
  if (!checked.ok) return checked;
  return revised(ground, actor, id, () => ({ roles: checked.value }));
}

/** Also ends all of its tokens: being enabled again does not bring them back. Its keys rest, and work again then. */
export const disable = (ground: Ground, actor: Principal, id: PrincipalId): Result<Change<PrincipalRecord>> =>
  revised(ground, actor, id, ({ epoch }) => ({ enabled: false, epoch: epoch + 1 }));

export const enable = (ground: Ground, actor: Principal, id: PrincipalId): Result<Change<PrincipalRecord>> =>
  revised(ground, actor, id, () => ({ enabled: true }));

/** Ends all of its tokens, and with `keys` deletes its keys as well. */
export function revokeTokens(
  ground: Ground,
  actor: Principal,
  id: PrincipalId,
  options: { readonly keys: boolean },
): Result<Change<PrincipalRecord>> {
  const found = standingFor(ground.directory, actor, id);
  if (!found.ok) return found;
  const { record, keys } = found.value;
  return ok(
    revision(ground, found.value, {
      set: { epoch: record.epoch + 1 },
      removeKeys: options.keys ? keys : [],
      value: (after) => after,
    }),
  );
}

function revised(
  ground: Ground,
  actor: Principal,
  id: PrincipalId,
  set: (record: PrincipalRecord) => Revision<PrincipalRecord>["set"],
): Result<Change<PrincipalRecord>> {
  const found = standingFor(ground.directory, actor, id);
  if (!found.ok) return found;
  return ok(revision(ground, found.value, { set: set(found.value.record), value: (after) => after }));
}
