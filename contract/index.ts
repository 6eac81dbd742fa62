/**
 * contract: wire shapes and codes shared by server, SDK and console. Imports nothing of ours and does nothing.
 */
export { codes } from "./codes.ts";
export type { CauseClass, Code, CodeRow, Effect, PendingApproval, Refusal, Retry } from "./codes.ts";
export { askToolName, callerName, metaKeys, waitToolName } from "./meta.ts";
export type { ReceiptReference } from "./meta.ts";
export { inputStep } from "./worker.ts";
export type { WorkerOrder, WorkerReport } from "./worker.ts";
export {
  childFates,
  deadReasons,
  escalations,
  exhaustionPolicies,
  localStepKinds,
  runStates,
} from "./runs.ts";
export type {
  ArtefactAnswer,
  AttachAnswer,
  ChildAnswer,
  ChildFate,
  DeadReason,
  EscalationKind,
  ExhaustionPolicy,
  LocalStepKind,
  MemoryAnswer,
  RunEndAnswer,
  RunState,
  SavedArtefactAnswer,
  SavedMemoryAnswer,
  SnapshotAnswer,
  StepAnswer,
  StepLookAnswer,
  TimerAnswer,
  TokensAnswer,
  WaitAnswer,
} from "./runs.ts";
