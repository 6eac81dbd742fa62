import type { ReceiptReference } from "./meta.ts";

/**
 *  open       its agent works, or it stands in front of what it waits for
 *  review     the installation was brought back to an earlier state: nothing happens in it until an operator releases it
 *  finished   its agent said so, with a result
 *  failed     its agent said so, its deadline passed, or a person dropped it when it was dead
 *  cancelled  a person ended it
 *  dead       it cannot go on by itself: a person has it retried, and it is open again, or drops it
 */
export const runStates = ["open", "review", "finished", "failed", "cancelled", "dead"] as const;
export type RunState = (typeof runStates)[number];

/**
 * Why a run is dead.
 *  starts-used-up   its agent was started too often in a row without getting on
 *  retries-used-up  its agent was lost too often in a stretch of time, although it got on in between
 *  start-refused    what starts its agent refuses to, and will again
 */
export const deadReasons = ["starts-used-up", "retries-used-up", "start-refused"] as const;
export type DeadReason = (typeof deadReasons)[number];

/**
 * What an agent itself produces under a step of its run.
 *  model  a model's answer to a call that the agent makes by itself
 *  value  anything else that would come out differently the next time: the time, chance, a function's result
 *  exhausted  in place of a model's answer: that the context window, or another limit on tokens, had no room for the call
 */
export const localStepKinds = ["model", "value", "exhausted"] as const;
export type LocalStepKind = (typeof localStepKinds)[number];

/**
 * What becomes of a child run that is open when its parent ends.
 *  cancel  it is cancelled, and its own children with it
 *  leave   it goes on by itself
 */
export const childFates = ["cancel", "leave"] as const;
export type ChildFate = (typeof childFates)[number];

/**
 * What to do when a model call finds no room in the context window.
 *  compact   the agent makes the conversation shorter, and the call is made again
 *  escalate  a person decides
 *  fail      the run fails
 */
export const exhaustionPolicies = ["compact", "escalate", "fail"] as const;
export type ExhaustionPolicy = (typeof exhaustionPolicies)[number];

/**
 * What a run can be unable to go on without, and what a person can answer: the members of the signal's payload.
 *  context  `{"do": "compact"}`, `{"do": "retry"}` or `{"do": "end"}`
 *  tokens   `{"do": "raise", "tokensMax": 200000}` or `{"do": "end"}`
 */
export const escalations = { context: ["compact", "retry", "end"], tokens: ["raise", "end"] } as const;
export type EscalationKind = keyof typeof escalations;

/** What a model call of the run may still use. */
export interface TokensAnswer {
  /** By the answers on record, in and out. */
  readonly used: number;
  /** null = as many as it likes. */
  readonly max: number | null;
}

/** How a run ended, or why it is dead, as its agent hears it. */
export interface RunEndAnswer {
  readonly state: Exclude<RunState, "open" | "review">;
  /** Any JSON; null where it did not finish. */
  readonly result: unknown;
  /** null where it finished. */
  readonly reason: string | null;
  /** True = what was sealed of it has been erased: `result` and `reason` are null. */
  readonly isErased: boolean;
  readonly receipt: ReceiptReference;
}

export interface AttachAnswer {
  readonly run: string;
  readonly name: string;
  /** Names this process from now on: what an older one still sends is refused. */
  readonly attempt: number;
  readonly state: RunState;
  /** True = nothing can be on record in it yet. */
  readonly isNew: boolean;
  /** Say that the agent lives before these are over; 0 = it has ended. */
  readonly aliveForMs: number;
  readonly tokens: TokensAnswer;
  /** null = open. */
  readonly end: RunEndAnswer | null;
}

/** What stands under a step. */
export interface StepAnswer {
  /** A model's step may have `exhausted` on record in place of an answer. */
  readonly kind: LocalStepKind;
  /** Any JSON. */
  readonly output: unknown;
  /** False = it was recorded by this very request. */
  readonly wasRecorded: boolean;
  readonly receipt: ReceiptReference;
}

/** null = nothing stands there yet. */
export interface StepLookAnswer {
  readonly step: StepAnswer | null;
}

export interface TimerAnswer {
  /** Until the step wakes up; 0 = it is over. */
  readonly leftMs: number;
  readonly wasRecorded: boolean;
  readonly receipt: ReceiptReference;
}

export interface WaitAnswer {
  readonly state: "taken" | "timed-out" | "waiting";
  /** Any JSON; null unless taken. */
  readonly payload: unknown;
  /** null unless it waits for a time. */
  readonly leftMs: number | null;
  /** null while it waits. */
  readonly receipt: ReceiptReference | null;
}

/** A run that a step has started. */
export interface ChildAnswer {
  readonly run: string;
  readonly name: string;
  /** null = it is open. */
  readonly end: RunEndAnswer | null;
}

export interface SnapshotAnswer {
  readonly slot: string;
  readonly version: number;
  readonly digest: string;
  readonly bytes: number;
}

export interface SavedMemoryAnswer extends SnapshotAnswer {
  /** null = the newest of the slot was just like it. */
  readonly receipt: ReceiptReference | null;
}

export interface SavedArtefactAnswer {
  readonly digest: string;
  readonly bytes: number;
  /** null = the run had these bytes already. */
  readonly receipt: ReceiptReference | null;
}

export interface ArtefactAnswer {
  /** `data` in base64; null = the run has no such artefact. */
  readonly artefact: { readonly digest: string; readonly bytes: number; readonly data: string } | null;
}

export interface MemoryAnswer {
  /** null = nothing is kept there. */
  readonly memory: (SnapshotAnswer & { readonly content: unknown }) | null;
}
