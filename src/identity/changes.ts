import type { Clock, Random, Result } from "../base/index.ts";
import { newId, ok, refuse } from "../base/index.ts";
import type { Change, Write } from "../store/index.ts";
import { append, insert, remove, update } from "../store/index.ts";
import type { Directory, Standing } from "./directory.ts";
import { keysPerPrincipalMax, principalsMax } from "./limits.ts";
import { checkName, checkRoles } from "./names.ts";
import type { Principal, PrincipalId, PrincipalKind, TenantId } from "./principal.ts";
import { changeLog, principalSubject } from "./read-store.ts";
import type { PrincipalRecord, StoredKey } from "./records.ts";
import { keyRow, principalRow } from "./records.ts";
import { noSuch } from "./refusals.ts";
import { apiKeyTable, changeTable, principalTable } from "./tables.ts";

/** What every verb needs. */
export interface Ground {
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: Directory;
}

const idPrefix = { agent: "agt", person: "per", service: "svc" } as const satisfies Record<
  PrincipalKind,
  string
>;

/** A new principal with its writes; the name has to be free in the tenant. */
export function creation(
  ground: Ground,
  tenant: TenantId,
  kind: PrincipalKind,
  name: string,
  roles: readonly string[],
): Result<Change<PrincipalRecord>> {
  const checkedName = checkName("name", name);
  if (!checkedName.ok) return checkedName;
  const checkedRoles = checkRoles(roles);
  if (!checkedRoles.ok) return checkedRoles;
  const { directory } = ground;
  if (directory.named(tenant, kind, name) !== null) {
    return refuse({ code: "conflict", detail: `"${name}" is the name of another ${kind} already.` });
  }
  if (directory.principalCount >= principalsMax) {
    return refuse({
      code: "conflict",
      detail: `The installation already holds ${principalsMax} principals.`,
    });
  }
  const now = ground.clock.wall();
  const record: PrincipalRecord = {
    id: `${kind}/${newId(idPrefix[kind], now, ground.random)}` as PrincipalId,
    tenant,
    kind,
    name,
    roles: checkedRoles.value,
    enabled: true,
    epoch: 1,
    version: 1,
    createdAt: now,
  };
  return ok({
    writes: [insert(principalTable, principalRow(record)), changed(ground, principalSubject(record.id))],
    value: record,
    applied: () => directory.put(record, []),
  });
}

/** Someone else's principal and none at all look the same. */
export function standingFor(directory: Directory, actor: Principal, id: PrincipalId): Result<Standing> {
  const standing = directory.standing(id);
  if (standing === null || standing.record.tenant !== actor.tenant) return noSuch("principal");
  return ok(standing);
}

export interface Revision<T> {
  readonly set: Partial<Pick<PrincipalRecord, "roles" | "enabled" | "epoch">>;
  readonly addKey?: StoredKey;
  readonly removeKeys?: readonly StoredKey[];
  readonly value: (record: PrincipalRecord) => T;
}

/**
 * A change of one principal or its keys. The version it was read in guards all of it: of two changes made side by side one wins
 * and the other is a conflict, also between nodes.
 */
export function revision<T>(ground: Ground, standing: Standing, revise: Revision<T>): Change<T> {
  const before = standing.record;
  const record: PrincipalRecord = { ...before, ...revise.set, version: before.version + 1 };
  const removed = new Set(revise.removeKeys?.map((key) => key.id));
  const keys = standing.keys.filter((key) => !removed.has(key.id));
  if (revise.addKey !== undefined) keys.push(revise.addKey);
  const row = principalRow(record);
  const writes: Write[] = [
    update(
      principalTable,
      { id: record.id },
      { roles: row.roles, enabled: row.enabled, epoch: row.epoch, version: row.version },
      { version: before.version },
    ),
    ...(revise.removeKeys ?? []).map((key) => remove(apiKeyTable, { id: key.id })),
    ...(revise.addKey === undefined ? [] : [insert(apiKeyTable, keyRow(revise.addKey))]),
    changed(ground, principalSubject(record.id)),
  ];
  return { writes, value: revise.value(record), applied: () => ground.directory.put(record, keys) };
}

export const hasRoomForKey = (standing: Standing): boolean => standing.keys.length < keysPerPrincipalMax;

/** Tells the other nodes. */
export const changed = ({ clock, random }: Ground, subject: string): Write =>
  append(changeTable, { id: newId("idc", clock.wall(), random), log: changeLog, subject });
