/**
 * signalbox/sdk: what makes an agent survive a crash. A run is named, its steps are named, and what each step gave is on record in the
 * node: start the same program again, and recorded steps come back without being done a second time, up to where it was.
 *
 *     const box = connect({ url: "http://127.0.0.1:7070", token });
 *     const booked = await box.run("invoice-2026-0417", async (step) => {
 *       const plan = await step.model("plan", { input: question, call: () => askModel(question) });
 *       return step.tool("book", "books__book_invoice", plan);
 *     });
 *
 * No dependencies; runs wherever `fetch` and `crypto` are: Node 22, Deno, pages of the node's own origin.
 */
export { defineAgent } from "./agent.ts";
export type { Agent } from "./agent.ts";
export { connect } from "./connect.ts";
export type { ConnectOptions, RunOptions, Signalbox } from "./connect.ts";
export {
  AtRest,
  ChildFailed,
  ContextExhausted,
  OutcomeUnknown,
  Refused,
  RunEnded,
  RunInReview,
  RunFailed,
  SignalboxError,
  StaleAttempt,
  StepDrift,
  TokenBudgetExhausted,
  Unreachable,
} from "./errors.ts";
export type { ErrorCode } from "./errors.ts";
export { isContextExhausted } from "./exhaustion.ts";
export type { TokensShort } from "./exhaustion.ts";
export type { CompactInfo, Recovery } from "./model-step.ts";
export type { ArtefactRef, Artefacts } from "./artefacts.ts";
export type { Memory } from "./memory.ts";
export { RecordedModel } from "./recorded-model.ts";
export type { ChildOptions } from "./child.ts";
export type {
  Approval,
  ApprovalAsk,
  ListedTool,
  ModelAnswer,
  ModelStep,
  Signalled,
  Step,
  ToolOptions,
  ToolResult,
  ValueStep,
  WaitOptions,
} from "./step.ts";
