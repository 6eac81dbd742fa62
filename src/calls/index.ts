/**
 * calls: the governed call. One station per file, their order in `pipeline.ts`; no other way leads to a tool.
 *
 * A call moves: arrived, authenticated, planned, (recalled), authorised, approved, admitted, intended, executed, screened,
 * recorded. It ends `succeeded`, `failed`, `unknown` or `refused`, with one entry or two.
 *
 * Identities: call ids. Bounds: calls in flight per node, principal and server; waiting calls; refusal entries per principal.
 * Errors: none thrown; every answer is a result or a refusal with a code. Signals: one record per call; trouble of our own.
 * Knows no transport.
 */
export type {
  CallAnswer,
  CallInput,
  CallMethod,
  Calls,
  Described,
  ListName,
  Listing,
  Round,
  SubscribeInput,
  Subscribed,
  TaskInput,
} from "./call.ts";
export { AnswerLetters } from "./answer-letters.ts";
export type { AnswerDesk, AnswersElsewhere, AskedAt, Delivery, Letter } from "./answer-letters.ts";
export { callTables } from "./tables.ts";
export type { CallLimits } from "./house.ts";
export { CallLine } from "./line.ts";
export { RefusalBound } from "./refusal-bound.ts";
export type { RefusalSummary } from "./refusal-bound.ts";
export type { CallLineOptions } from "./line.ts";
export { nodeLeaseName } from "./node-lease-name.ts";
export { TakeOver } from "./take-over.ts";
export { recoverCalls, recoverFromBefore } from "./recover.ts";
export { resolutions, resolveUnknown } from "./resolve.ts";
export { compileSchema } from "./validators.ts";
export { resolvedBy, resolvers } from "./resolved-by.ts";
export type { Resolver } from "./resolved-by.ts";
export type { Probed } from "./probes.ts";
export type { Trying } from "./verifications.ts";
export type { Resolution } from "./resolve.ts";
