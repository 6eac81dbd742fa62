import type { Code } from "../../contract/index.ts";

/**
 * How long a call waited before each station it came to and how long it took there; milliseconds of the monotonic clock. Column by
 * column, because numbers in an array are no objects: there are eleven of these per call.
 */
export interface StationTimes {
  readonly names: readonly string[];
  readonly queueMs: readonly number[];
  readonly workMs: readonly number[];
}

/** What one call leaves in log and metrics. Exactly one per call, whatever became of it. Never holds an argument or a result. */
export interface CallRecord {
  readonly requestId: string;
  readonly call: string | null; // null = ended before it got a call id
  readonly run: string | null;
  readonly step: string | null;
  /** The exposed name as it was asked for; null when the request named none. */
  readonly tool: string | null;
  /** Whether `tool` is one of ours. A stranger's invention may be logged but must not become a metric label. */
  readonly isKnownTool: boolean;
  /** The salted commitment to the arguments, never a plain digest; null = ended before *plan*. */
  readonly argumentsHash: string | null;
  readonly decision: "allow" | "deny" | "approve" | null; // null = policy was not asked
  /** Ids of the policies that decided. */
  readonly reasons: readonly string[];
  readonly stations: StationTimes;
  readonly outcome: "succeeded" | "failed" | "unknown" | "refused" | "open";
  /** The tool answered with `isError`. */
  readonly isError: boolean;
  readonly code: Code | null; // null = succeeded
  readonly resultBytes: number;
  /** An estimate (characters / 4), not a count; the field's name in the log says so too. */
  readonly estimatedTokens: number;
  readonly cached: boolean;
  readonly recalled: boolean;
  readonly principal: string | null; // null = nobody was authenticated
  readonly tenant: string | null;
  readonly traceparent: string | null;
  readonly totalMs: number;
}
