import { blob, integer, keyedTable, text } from "../store/index.ts";

/** What there is. `version` grows with each new value and guards every write. */
export const secretTable = keyedTable({
  name: "vault_secret",
  columns: { tenant: text, name: text, version: integer, createdAt: integer, updatedAt: integer },
  key: ["tenant", "name"],
});

/** The values, apart, so that listing never reads one. */
export const valueTable = keyedTable({
  name: "vault_value",
  columns: { tenant: text, name: text, version: integer, sealed: blob },
  key: ["tenant", "name"],
});

export const vaultTables = [secretTable, valueTable] as const;
