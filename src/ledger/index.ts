/**
 * ledger: the shapes and digests of what is recorded, the durable entries, run records (owner, attempt, claims of steps and keys,
 * open calls), the Merkle log with its checkpoints and receipts, and offline verification. Never calls a tool.
 *
 * Witnesses: with some configured, one node has them co-sign the newest checkpoint of each tenant (C2SP tlog-witness). Nothing waits for
 * them.
 *
 * Identities: entry ids (`<call id>:<n>`), run ids, positions in a tenant's tree, origins. Promises: an entry never changes; its
 * receipt is the same at every fetch; a tenant's log never forks, whoever sequences it; an entry is never placed before its
 * `after`. Bounds: 1,024 entries per batch, a batch at most every 250 ms, 128 entries per call. Errors: refusals `not-found` and
 * `receipt-pending`; Fault `config-invalid`, `internal` (what is stored does not prove itself), those of store and keys. Signals:
 * alerts for a tail older than 10 s, for batches that fail and for witnesses that do not co-sign; `stats()` for gauges.
 *
 * An entry: appended (durable, with its leaf hash), sequenced (a position, a signed checkpoint over it), proven (by whoever holds
 * a receipt and the public key). Its payload: sealed, perhaps erased; neither moves the leaf.
 */
export { entryKinds } from "./shapes.ts";
export type { CallId, DecisionRecord, Entry, EntryId, EntryKind, Outcome, Payload, RunId } from "./shapes.ts";
export { intentDigest, stepDigest } from "./digests.ts";
export type { IntentIdentity, StepIdentity } from "./digests.ts";
export { entryOfLeaf, entryWrite } from "./leaf.ts";
export { Ledger } from "./ledger.ts";
export type { LedgerEntry, LedgerOptions } from "./ledger.ts";
export type { LedgerAlert, SequencingStats } from "./sequencing.ts";
export { verifyCheckpoints } from "./consistency.ts";
export { parseWitnessKey } from "./cosignature.ts";
export type { Witness, WitnessAnswer } from "./witness.ts";
export { newestWord, witnessCovers } from "./witnessed.ts";
export type { WitnessAlert, WitnessStanding } from "./witnessing.ts";
export {
  entriesPath,
  exportNames,
  historyPath,
  payloadsPath,
  tilePath,
  tilesOf,
  widthOf,
} from "./export-layout.ts";
export { verifyExport } from "./export-verify.ts";
export type { ProvenExport } from "./export-verify.ts";
export { exportLog } from "./log-export.ts";
export type { ExportRange } from "./log-export.ts";
export { parseCheckpoint } from "./checkpoint.ts";
export { verifierKeyText } from "./note.ts";
export { packed, unpacked } from "./tar.ts";
export type { ArchiveFile } from "./tar.ts";
export type { LogProof } from "./log-proof.ts";
export { logProofs, newestCheckpoints } from "./log-proof.ts";
export { verifyReceipt } from "./receipt.ts";
export type { ProvenReceipt, ReceiptProblem } from "./receipt.ts";
export { verifyLedger } from "./verify.ts";
export type { VerifyOptions } from "./verify.ts";
export type { LedgerRead, PayloadOpener } from "./verify-tenant.ts";
export type { Broken, BrokenKind, LedgerReport, TenantReport } from "./verify-report.ts";
export { openPayload, sealPayload } from "./payload.ts";
export type { OpenedPayload, SealedPayload } from "./payload.ts";
export {
  bindsStep,
  claim,
  claimFinal,
  claimsOfRun,
  expiredClaims,
  isExpired,
  keyKeptMs,
  keyPlace,
  readClaim,
  resettleClaim,
  settleClaim,
  stepPlace,
} from "./claims.ts";
export type { Claim, ClaimPlace, ClaimState, NewClaim } from "./claims.ts";
export {
  awaitInput,
  closeCall,
  closePending,
  dispatchPending,
  dispatchWaiting,
  identicalOpenCall,
  listOpenCalls,
  markUnknown,
  openCall,
  openCallsOfNode,
  pendAnew,
  readOpenCall,
  resolveCall,
} from "./open-calls.ts";
export type { Holder, OpenCall, OpenCallState } from "./open-calls.ts";
export {
  askToWake,
  changeRun,
  claimStart,
  dieRun,
  endRun,
  holdRun,
  isEnded,
  keepAlive,
  listRuns,
  loseAgent,
  newRun,
  noteLoss,
  overdueRuns,
  proveUnfinished,
  putToRest,
  ownerOf,
  raiseAttempt,
  readRun,
  releaseRun,
  reviveRun,
  runById,
  runDeadline,
  runsHeldBy,
  runsToWake,
} from "./run-records.ts";
export type { Losses, NewRun, RunChange, RunEnd, RunHolder, RunParent, RunRecord } from "./run-records.ts";
export { childrenOf, unfinishedChildrenOf } from "./run-children.ts";
export type { Escalation, RunWait } from "./run-waits.ts";
export { Doubt } from "./doubt.ts";
export {
  beginReview,
  dueRecovery,
  endReview,
  recoveriesIn,
  recoveryBegun,
  recoveryWrite,
} from "./reviews.ts";
export type { DueRecovery, Recovery, RecoveryReason, Review } from "./reviews.ts";
export { rememberedProblem } from "./remembered.ts";
export { entryTable, ledgerTables } from "./tables.ts";
