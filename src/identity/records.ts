import type { Brand, Sha256Hex, WallMs } from "../base/index.ts";
import { msOf, wallMs } from "../base/index.ts";
import type { RowOf } from "../store/index.ts";
import type { PrincipalId, PrincipalKind, TenantId } from "./principal.ts";
import type { apiKeyTable, principalTable, tenantTable } from "./tables.ts";

/** `key_…`; says nothing about the key itself. */
export type ApiKeyId = Brand<"api-key">;

export interface TenantRecord {
  readonly id: TenantId;
  readonly createdAt: WallMs;
}

export interface PrincipalRecord {
  readonly id: PrincipalId;
  readonly tenant: TenantId;
  readonly kind: PrincipalKind;
  readonly name: string;
  /** Sorted, each once. */
  readonly roles: readonly string[];
  readonly enabled: boolean;
  /** Tokens carry the epoch they were made in; another epoch ends them. */
  readonly epoch: number;
  /** Grows with every change of the record or its keys. */
  readonly version: number;
  readonly createdAt: WallMs;
}

export interface ApiKeyRecord {
  readonly id: ApiKeyId;
  readonly principal: PrincipalId;
  /** For people: where the key is used. */
  readonly label: string;
  readonly createdAt: WallMs;
  readonly expiresAt: WallMs | null; // null = until revoked
}

/** With what only this room may see. */
export interface StoredKey extends ApiKeyRecord {
  readonly hash: Sha256Hex;
}

export const tenantFromRow = (row: RowOf<typeof tenantTable.columns>): TenantRecord => ({
  id: row.id as TenantId,
  createdAt: wallMs(row.createdAt),
});

export const principalFromRow = (row: RowOf<typeof principalTable.columns>): PrincipalRecord => ({
  id: row.id as PrincipalId,
  tenant: row.tenant as TenantId,
  kind: row.kind as PrincipalKind,
  name: row.name,
  roles: JSON.parse(row.roles) as readonly string[], // written by principalRow
  enabled: row.enabled === 1,
  epoch: row.epoch,
  version: row.version,
  createdAt: wallMs(row.createdAt),
});

export const principalRow = (record: PrincipalRecord): RowOf<typeof principalTable.columns> => ({
  id: record.id,
  tenant: record.tenant,
  kind: record.kind,
  name: record.name,
  roles: JSON.stringify(record.roles),
  enabled: record.enabled ? 1 : 0,
  epoch: record.epoch,
  version: record.version,
  createdAt: msOf(record.createdAt),
});

export const keyFromRow = (row: RowOf<typeof apiKeyTable.columns>): StoredKey => ({
  id: row.id as ApiKeyId,
  principal: row.principal as PrincipalId,
  label: row.label,
  hash: row.hash as Sha256Hex,
  createdAt: wallMs(row.createdAt),
  expiresAt: row.expiresAt === null ? null : wallMs(row.expiresAt),
});

export const keyRow = (key: StoredKey): RowOf<typeof apiKeyTable.columns> => ({
  id: key.id,
  principal: key.principal,
  label: key.label,
  hash: key.hash,
  createdAt: msOf(key.createdAt),
  expiresAt: key.expiresAt === null ? null : msOf(key.expiresAt),
});

/** The record without the hash: what leaves the room. */
export const publicKeyRecord = (key: StoredKey): ApiKeyRecord => ({
  id: key.id,
  principal: key.principal,
  label: key.label,
  createdAt: key.createdAt,
  expiresAt: key.expiresAt,
});
