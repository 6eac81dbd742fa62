import { approvalTables } from "../../approvals/index.ts";
import { callTables } from "../../calls/index.ts";
import { identityTables } from "../../identity/index.ts";
import { keyTables } from "../../keys/index.ts";
import { ledgerTables } from "../../ledger/index.ts";
import { registryTables } from "../../registry/index.ts";
import { runsTables } from "../../runs/index.ts";
import { vaultTables } from "../../vault/index.ts";
import { installationTable } from "./tables.ts";

/** Everything that stands in a data directory or a database, of all rooms. */
export const allTables = [
  installationTable,
  ...keyTables,
  ...identityTables,
  ...ledgerTables,
  ...registryTables,
  ...vaultTables,
  ...approvalTables,
  ...callTables,
  ...runsTables,
];
