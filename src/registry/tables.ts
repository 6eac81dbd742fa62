import { integer, integerOrNull, keyedTable, logTable, text, textOrNull } from "../store/index.ts";

/**
 * A server's present record. `name_key` is null once it is removed, which frees the name; the row stays as the owner of the
 * history. `era` is what the first connection found; a configured era stands in `record`. `row_version` guards every update.
 */
export const serverTable = keyedTable({
  name: "registry_server",
  columns: {
    id: text,
    tenant: text,
    name_key: textOrNull,
    record: text,
    era: textOrNull,
    version: integer,
    row_version: integer,
    changed_at: integer,
  },
  key: ["id"],
  unique: { name: ["tenant", "name_key"] },
});

/** Every record a server ever had. `change`: added, changed, removed. */
export const serverVersionTable = keyedTable({
  name: "registry_server_version",
  columns: { server: text, version: integer, tenant: text, change: text, record: text, at: integer },
  key: ["server", "version"],
});

/**
 * One row per tool a server ever offered. `alias` is the look-alike key of the name: no two tools of a server share it. `home` is
 * the digest of the profile whose list its pin is held against; null = the base.
 */
export const toolTable = keyedTable({
  name: "registry_tool",
  columns: {
    server: text,
    name: text,
    tenant: text,
    alias: text,
    class: text,
    pin: text,
    definition: text,
    state: text,
    offered_pin: textOrNull,
    offered: textOrNull,
    since: integer,
    first_seen_at: integer,
    definitions: integer,
    row_version: integer,
    home: textOrNull,
  },
  key: ["server", "name"],
  unique: { alias: ["server", "alias"] },
  columnsSince: { home: 2 },
});

/** Every definition a tool was seen with. `last_seen_at` is null while it is the one offered. */
export const definitionTable = keyedTable({
  name: "registry_definition",
  columns: {
    server: text,
    tool: text,
    pin: text,
    tenant: text,
    definition: text,
    first_seen_at: integer,
    last_seen_at: integerOrNull,
  },
  key: ["server", "tool", "pin"],
});

/** Policy texts by digest. `sources`: JSON of [{name, text}]. */
export const policyVersionTable = keyedTable({
  name: "registry_policy_version",
  columns: { tenant: text, digest: text, sources: text, first_loaded_at: integer },
  key: ["tenant", "digest"],
});

/** Which policy version is in force. */
export const activePolicyTable = keyedTable({
  name: "registry_active_policy",
  columns: { tenant: text, digest: text, since: integer, row_version: integer },
  key: ["tenant"],
});

/** Every version of a tenant's limits; the newest is in force. `limits`: JSON of `Limits`. */
export const limitsTable = keyedTable({
  name: "registry_limits",
  columns: { tenant: text, version: integer, origin: text, limits: text, since: integer },
  key: ["tenant", "version"],
  since: 2,
});

/** The digest of each configuration file section as it was last applied. */
export const appliedSectionTable = keyedTable({
  name: "registry_applied_section",
  columns: { tenant: text, section: text, digest: text, at: integer },
  key: ["tenant", "section"],
});

/**
 * What was changed, appended in the same transaction, so that other nodes read only that again. A log, not a counter: two changes
 * of different things never collide on it. One short row per change of a record, which are rare.
 */
export const changeTable = logTable({
  name: "registry_change",
  columns: { id: text, log: text, subject: text },
  id: "id",
  partition: "log",
  since: 2,
});

export const registryTables = [
  serverTable,
  serverVersionTable,
  toolTable,
  definitionTable,
  policyVersionTable,
  activePolicyTable,
  limitsTable,
  appliedSectionTable,
  changeTable,
] as const;
