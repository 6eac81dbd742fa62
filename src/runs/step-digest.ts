import type { Sha256Hex } from "../base/index.ts";
import { commitment } from "../base/index.ts";
import { stepDigest } from "../ledger/index.ts";

/** What stands under a step besides tool calls: what the agent produced, the instant a timer ends, what a wait came to, which run it started. */
export type StepKind = "model" | "value" | "exhausted" | "timer" | "signal" | "child";

/** `input` is what the step is made from, as JSON text. */
export const localDigest = (kind: StepKind, input: string, salt: Uint8Array): Sha256Hex =>
  committedDigest(kind, commitment(salt, input));

/** In the shape of a call's digest, so that a tool call can never be taken for one of these, nor one kind for another. */
export const committedDigest = (kind: StepKind, argumentsCommitment: string): Sha256Hex =>
  stepDigest({ method: `steps/${kind}`, serverId: "", name: "", argumentsCommitment });
