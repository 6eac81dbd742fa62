import { integer, integerOrNull, keyedTable, logTable, text } from "../store/index.ts";

export const tenantTable = keyedTable({
  name: "identity_tenant",
  columns: { id: text, createdAt: integer },
  key: ["id"],
});

/**
 * `version` grows with every change of the principal or its keys and guards every write. `epoch` is what tokens carry: raising it
 * ends all of them. `roles` is a JSON array, sorted.
 */
export const principalTable = keyedTable({
  name: "identity_principal",
  columns: {
    id: text,
    tenant: text,
    kind: text,
    name: text,
    roles: text,
    enabled: integer,
    epoch: integer,
    version: integer,
    createdAt: integer,
  },
  key: ["id"],
  unique: { name: ["tenant", "kind", "name"] },
});

/**
 * `hash` is SHA-256 of the whole key, in hex. A key has 256 random bits, so there is nothing to guess and a plain hash is right:
 * slow hashes protect what people choose.
 */
export const apiKeyTable = keyedTable({
  name: "identity_api_key",
  columns: {
    id: text,
    principal: text,
    label: text,
    hash: text,
    createdAt: integer,
    expiresAt: integerOrNull,
  },
  key: ["id"],
  unique: { hash: ["hash"] },
  indexes: { principal: ["principal", "id"] },
});

/**
 * Which record changed, appended in the same transaction, so that other nodes re-read only that. A log, not a counter: two
 * changes to different principals never collide on it. One short row per administrative act.
 */
export const changeTable = logTable({
  name: "identity_change",
  columns: { id: text, log: text, subject: text },
  id: "id",
  partition: "log",
});

export const identityTables = [tenantTable, principalTable, apiKeyTable, changeTable] as const;
