import type { Code, Effect, ReceiptReference, Retry, RunEndAnswer } from "../contract/index.ts";
import { codes } from "../contract/index.ts";

/** A code of the contract, or that no node answered. */
export type ErrorCode = Code | "unreachable";

export interface ErrorParts {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retry: Retry;
  readonly effect: Effect;
  /** The step it happened in; null = outside of one. */
  readonly step: string | null;
  /** Where it stands in the ledger; null = it left no entry, or none that is known. */
  readonly receipt: ReceiptReference | null;
  readonly cause?: unknown;
}

/**
 * Everything that Signalbox says no with. `code` is a row of the reference (docs/reference/codes.md), `retry` whether the same again
 * can help, `effect` whether something happened outside. The subclasses below are all there are.
 */
export abstract class SignalboxError extends Error {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly effect: Effect;
  readonly step: string | null;
  readonly receipt: ReceiptReference | null;

  constructor(parts: ErrorParts) {
    const where = parts.step === null ? "" : `step "${parts.step}": `;
    super(`${where}${parts.message}`, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = new.target.name;
    this.code = parts.code;
    this.retry = parts.retry;
    this.effect = parts.effect;
    this.step = parts.step;
    this.receipt = parts.receipt;
  }
}

/** Under this step something else is on record: the program has changed since, or does other things than the time before. */
export class StepDrift extends SignalboxError {}

/** A newer process has attached to the run: this one must stop. */
export class StaleAttempt extends SignalboxError {}

/** The run has failed, was cancelled, or is dead until a person has it retried; or it ended while this process was at work. */
export class RunEnded extends SignalboxError {}

/** The call may have happened. A person settles it (`signalbox calls resolve`); until then its step answers this. */
export class OutcomeUnknown extends SignalboxError {}

/**
 * The installation was brought back to an earlier state, so it does not know whether this was done already. Nothing is done in the run
 * before an operator has released it: end the process, and start it again then.
 */
export class RunInReview extends SignalboxError {}

/** Anything else that was refused; nothing happened. */
export class Refused extends SignalboxError {}

/** No node answered in time. Asking again under the same step is safe. */
export class Unreachable extends SignalboxError {}

/** Thrown by an agent to say that its run has failed for good. Any other error leaves the run open, to be gone on with. */
export class RunFailed extends Error {
  override readonly name: string = "RunFailed";
}

/**
 * A run that a step has started came to no result. What it came to stays as it is, so an agent that does not catch this has failed for
 * good as well.
 */
export class ChildFailed extends RunFailed {
  override readonly name = "ChildFailed";
  /** Name of the child run. */
  readonly child: string;
  /** Its id. */
  readonly run: string;
  readonly state: "failed" | "cancelled";
  /** As the child, or who ended it, gave it. */
  readonly reason: string;

  constructor(child: { readonly name: string; readonly run: string }, end: RunEndAnswer) {
    const reason = end.isErased ? "its record was erased" : (end.reason ?? "it gave no reason");
    const state = end.state === "cancelled" ? "cancelled" : "failed";
    super(`the child run "${child.name}" ${state === "failed" ? "has failed" : "was cancelled"}: ${reason}`);
    this.child = child.name;
    this.run = child.run;
    this.state = state;
    this.reason = reason;
  }
}

/**
 * A model call found no room in the context window. Thrown by `call` of a model step to say so where its error does not; thrown by the step
 * when nothing is left to be done about it: the run has failed with that.
 */
export class ContextExhausted extends RunFailed {
  override readonly name = "ContextExhausted";
  readonly tokens: { readonly needed: number | null; readonly limit: number | null };

  constructor(
    tokens: { readonly needed?: number | null; readonly limit?: number | null } = {},
    message = "the model's context window has no room",
  ) {
    super(message);
    this.tokens = { needed: tokens.needed ?? null, limit: tokens.limit ?? null };
  }
}

/** The run has used up its tokens, and nobody has raised its budget. */
export class TokenBudgetExhausted extends RunFailed {
  override readonly name = "TokenBudgetExhausted";
}

/** The run only waits, and this process asked not to do that: end it. Its hook starts the program again. */
export class AtRest extends Error {
  override readonly name = "AtRest";

  constructor() {
    super("the run waits; its hook starts the program again");
  }
}

/** The one place where a refusal becomes an error. */
export function errorFor(parts: ErrorParts): SignalboxError {
  const { code, effect } = parts;
  if (code === "step-mismatch") return new StepDrift(parts);
  if (code === "stale-attempt") return new StaleAttempt(parts);
  if (code === "run-ended") return new RunEnded(parts);
  if (code === "run-in-review") return new RunInReview(parts);
  if (code === "unreachable") return new Unreachable(parts);
  return effect === "unknown" ? new OutcomeUnknown(parts) : new Refused(parts);
}

/** What a node may have said in a word that this client does not know yet is taken as it came. */
export const isCode = (text: unknown): text is Code => typeof text === "string" && Object.hasOwn(codes, text);
