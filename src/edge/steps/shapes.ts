import type { EscalationKind } from "../../../contract/index.ts";
import { callerName, localStepKinds, runStates } from "../../../contract/index.ts";
import { anything, flag, listOf, named, object, receipt, text, textOrNull, whole } from "../../api/index.ts";

/** 1-128 of the characters that names of callers may have. */
export const callersName = (description: string) =>
  ({ type: "string", pattern: callerName.source, description }) as const;

export const run = callersName(
  "what the agent calls its run; another agent's run of this name is another run",
);

/** What a person can be needed for. */
export const escalationKinds = ["context", "tokens"] as const satisfies readonly EscalationKind[];

/** Of ids of runs. */
export const runIdPattern = "^run_[0-9a-z]{26}$";

export const attempt = {
  type: "integer",
  minimum: 1,
  description: "what attaching answered; an older one is refused from the next attach on",
} as const;

export const stepKind = {
  enum: localStepKinds,
  description:
    "`model`: a model's answer; `value`: anything else that would come out differently next time; `exhausted`: that a model's answer found no room in its context window",
} as const;

export const inputDigest = {
  type: "string",
  pattern: "^[0-9a-f]{64}$",
  description:
    "SHA-256 of what the step is made from: under the same key, another one is refused as drift. Left out = of nothing",
} as const;

export const end = named(
  "RunEnd",
  object({
    state: { enum: ["finished", "failed", "cancelled", "dead"] },
    result: { description: "what the agent gave; null where it did not finish" },
    reason: textOrNull,
    isErased: { type: "boolean", description: "true = what it held cannot be read any more" },
    receipt,
  }),
);

export const endOrNull = { oneOf: [end, { type: "null" }], description: "null = it is open" } as const;

const tokens = object({
  used: { ...whole, description: "by the model's answers on record, in and out" },
  max: { type: ["integer", "null"], description: "null = any number" },
});

export const attached = named(
  "AttachedRun",
  object({
    run: text,
    name: text,
    attempt,
    state: { enum: runStates },
    isNew: { type: "boolean", description: "true = nothing can be on record in it yet" },
    aliveForMs: {
      type: "integer",
      description: "say that the agent lives before these are over; 0 = it has ended",
    },
    tokens,
    end: endOrNull,
  }),
);

const wait = named(
  "RunWait",
  object({
    kind: { enum: ["timer", "signal", "approval", "child"] },
    step: { type: "string", description: "the step that waits" },
    signal: { type: ["string", "null"], description: "its name; null = it waits for something else" },
    approval: { type: ["string", "null"], description: "what people are asked; null = nobody is asked" },
    child: { type: ["string", "null"], description: "a run that it has started; null = it waits for none" },
    groups: { ...listOf(text), description: "who has to say yes" },
    leftMs: { type: ["integer", "null"], description: "until it stops waiting; null = it waits for good" },
  }),
);

export const runState = named(
  "OwnRun",
  object({
    run: text,
    name: text,
    attempt: whole,
    state: { enum: runStates },
    isAlive: { type: "boolean", description: "its agent has been heard of lately" },
    waitsFor: listOf(wait),
    deadlineLeftMs: {
      type: ["integer", "null"],
      description: "until it fails; null = it began under a version whose runs might take any time",
    },
    tokens,
    end: endOrNull,
  }),
);

export const step = named(
  "LocalStep",
  object({
    kind: {
      enum: localStepKinds,
      description: "as it was asked for; but `exhausted` may stand where a `model`'s answer was asked for",
    },
    output: anything,
    wasRecorded: { ...flag, description: "false = by this very request" },
    receipt,
  }),
);

export const snapshotProperties = {
  slot: text,
  version: { ...whole, description: "from 1" },
  digest: {
    type: "string",
    description: "names these contents in this run; the same contents have the same one",
  },
  bytes: whole,
} as const;

export const receiptOrNull = { oneOf: [receipt, { type: "null" }] } as const;
