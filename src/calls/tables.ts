import { integer, keyedTable, text } from "../store/index.ts";

/** Tasks of servers that a call of ours stands for. The call's id is the task's id outside; its end is in the ledger. */
export const taskTable = keyedTable({
  name: "task",
  key: ["call"],
  columns: {
    call: text,
    tenant: text,
    owner: text, // the principal and its chain, nearest first, one id per line
    server: text,
    subject: text,
    task: text, // the server's own id, sealed
    expiresAt: integer,
  },
  indexes: { expiry: ["expiresAt"] },
});

export const callTables = [taskTable] as const;
