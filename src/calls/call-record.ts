import type { CallRecord } from "../telemetry/index.ts";
import type { MonotonicMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import { estimatedTokens } from "../budgets/index.ts";
import type { Code } from "../../contract/index.ts";
import type { CallAnswer } from "./call.ts";
import type { Known } from "./entries.ts";
import type { Recorded } from "./record-outcome.ts";
import { Stop } from "./station.ts";

/** What one call leaves in log and metrics: of the arguments only the salted commitment, of the result only its size. */
export function callRecord(
  call: Known,
  end: Recorded | Stop,
  answer: CallAnswer,
  now: MonotonicMs,
): CallRecord {
  const { principal } = call as Partial<Known>;
  const traceparent = call.input.meta["traceparent"];
  const resultBytes = answer.kind === "result" ? Buffer.byteLength(answer.text) : 0;
  const recalled = end instanceof Stop && end.reason.kind === "recalled";
  return {
    requestId: call.input.requestId,
    call: call.id,
    run: call.run?.record.run ?? null,
    step: call.run?.step ?? null,
    tool: call.input.name,
    isKnownTool: call.subject?.kind === "tool",
    argumentsHash: call.argumentsCommitment ?? null,
    decision: call.decision?.effect ?? null,
    reasons: call.decision?.reasons.map((policy) => policy.id) ?? [],
    stations: call.trace,
    outcome: outcomeKind(end, answer),
    isError: !(end instanceof Stop) && end.outcome.kind === "succeeded" && end.outcome.isError,
    code: codeOf(end, answer),
    resultBytes,
    estimatedTokens: estimatedTokens(answer.kind === "result" ? answer.text.length : 0),
    cached: false, // results are not cached yet
    recalled,
    principal: principal?.id ?? null,
    tenant: principal?.tenant ?? null,
    traceparent: typeof traceparent === "string" ? traceparent.slice(0, 64) : null,
    totalMs: elapsedMs(now, call.trace.startedAt),
  };
}

function outcomeKind(end: Recorded | Stop, answer: CallAnswer): CallRecord["outcome"] {
  if (!(end instanceof Stop)) return end.outcome.kind;
  switch (answer.kind) {
    case "input-required":
    case "task":
      return "open";
    case "result":
      return "succeeded";
    case "refused":
      return "refused";
  }
}

function codeOf(end: Recorded | Stop, answer: CallAnswer): Code | null {
  if (answer.kind === "refused") return answer.refusal.code;
  if (end instanceof Stop) return null;
  return end.reply.kind === "answered" ? end.withheld : end.reply.code;
}
