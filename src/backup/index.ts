/**
 * backup: a whole store as one sealed file, and back. It reads a snapshot table by table and writes what a StoreFill takes, so it knows no
 * store; what the rows mean it does not know either, except that the ledger among them must prove itself.
 *
 * Identities: recipients (`sbx-backup:…`), whose private halves open what was sealed for them. Promises: bounded memory in both directions;
 * a file that was cut off, reordered, mixed from two or changed anywhere is never read to its end as whole; the key-encryption key of an
 * installation is never in one. Bounds: chunk.ts, record.ts. Errors: Fault `backup-broken`, `config-invalid` (a key that does not fit), `store-version`,
 * and those of the store. Signals: none.
 */
export { checkBackup } from "./check.ts";
export type { BackupReport, BackupVisitor } from "./check.ts";
export { copyTables } from "./copy-tables.ts";
export type { BackupHeader } from "./record.ts";
export { newBackupSecret, openFor, recipientOf, recipientOfSecret, sealFor, secretOf } from "./recipient.ts";
export type { FileSeal } from "./recipient.ts";
export { writeBackup } from "./write.ts";
