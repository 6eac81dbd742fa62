import { codes } from "../../contract/index.ts";
import type { Fault } from "../base/index.ts";
import { elapsedMs, faultFrom } from "../base/index.ts";
import { neverAborts, passedOnMeta } from "./request-meta.ts";
import type { House } from "./house.ts";
import { screenedProgress } from "./progress.ts";
import type { Executed, Intended, Reply } from "./stages.ts";
import type { Station } from "./station.ts";

/** One more try at most: what is still down after that is for the caller to know. */
const retriesMax = 1;
const retryDelayMs = 25;

/**
 * Sends the call and waits. The only place that retries, and only when no byte left or the class says that repeating is harmless,
 * within the deadline and the node's retry budget. Never refuses: whatever happens from here on is an outcome.
 */
export const execute: Station<Intended, Executed> = {
  name: "execute",
  async visit(call, house) {
    for (let attempt = 0; ; attempt++) {
      const { reply, fault } = await once(call, house);
      if (fault === null || attempt >= retriesMax || !mayRetry(call, fault))
        return Object.assign(call, { reply });
      if (!house.retryBudget.take()) return Object.assign(call, { reply });
      await house.pause(retryDelayMs);
      if (elapsedMs(call.deadline.at, house.clock.monotonic()) <= 0) return Object.assign(call, { reply });
    }
  },
};

async function once(call: Intended, house: House): Promise<{ reply: Reply; fault: Fault | null }> {
  try {
    const answer = await house.upstreams.exchange({
      server: call.tool.server,
      method: call.input.method,
      name: call.tool.name,
      argumentsText: call.argumentsText,
      meta: passedOnMeta(call.input.meta),
      deadline: call.deadline,
      // Only a `read` ends when its caller goes away. Anything else has been recorded as an intent: its server is told, and we
      // listen until the deadline and record what became of it.
      signal: call.tool.class.kind === "read" ? call.input.signal : neverAborts,
      // A server that follows the advice may never answer, which makes the outcome unknown. So it is not given for a named step
      // or key: its caller, or another that has joined it, comes back for the outcome.
      advice: call.tool.class.kind === "read" || call.repeat !== null ? null : call.input.signal,
      onProgress: screenedProgress(call, house),
      mayDispatch: call.mayDispatch,
    });
    switch (answer.kind) {
      case "result":
        return { reply: fromResult(answer.raw, answer.value), fault: null };
      case "rejected":
        return {
          reply: {
            kind: "failed",
            code: "upstream-rejected",
            detail: `${call.tool.server.name} rejected the request: ${answer.error.message}`,
            evidence: { rpcCode: answer.error.code },
          },
          fault: null,
        };
      case "error":
        // The server answered, and may have acted before it did: an answer like `isError`, in the protocol's other clothes.
        return { reply: fromError(answer.error.code, answer.error.message), fault: null };
    }
  } catch (thrown) {
    const fault = faultFrom(thrown, `calling ${call.tool.id}`);
    return { reply: wasWithdrawn(call, fault) ? withdrawn : fromFault(fault), fault };
  }
}

function fromResult(raw: string, value: Readonly<Record<string, unknown>>): Reply {
  const resultType = value["resultType"];
  if (resultType !== undefined && resultType !== "complete") {
    // We declared no capability that would allow it to ask back.
    return {
      kind: "unknown",
      code: "upstream-garbage",
      detail: "the tool's server asked for something this call did not offer",
      evidence: { resultType },
    };
  }
  return { kind: "answered", raw, value, isError: value["isError"] === true };
}

function fromError(code: number, message: string): Reply {
  const value = {
    content: [{ type: "text", text: `The tool's server answered with error ${code}: ${message}` }],
    isError: true,
  };
  return { kind: "answered", raw: JSON.stringify(value), value, isError: true };
}

const withdrawn: Reply = {
  kind: "failed",
  code: "cancelled",
  detail: "withdrawn before it was sent",
  evidence: {},
};

/** `mayDispatch` says no without a reason; when the caller has gone, that is the reason. */
const wasWithdrawn = (call: Intended, fault: Fault): boolean =>
  fault.code === "deadline-before-dispatch" && fault.effect === "none" && call.input.signal.aborted;

function fromFault(fault: Fault): Reply {
  const detail = fault.code === "internal" ? codes.internal.text : fault.message;
  const evidence = fault.evidence;
  switch (fault.effect) {
    case "none":
      return { kind: "failed", code: fault.code, detail, evidence };
    case "unknown":
      return { kind: "unknown", code: fault.code, detail, evidence };
    case "done":
      return { kind: "withheld", code: fault.code, detail, evidence };
  }
}

function mayRetry(call: Intended, fault: Fault): boolean {
  if (call.input.signal.aborted || fault.code === "cancelled") return false;
  if (fault.effect === "none") return fault.retry === "now";
  if (fault.effect === "done") return false;
  // `idempotent` needs its key sent along, which the class names but nothing fills in yet.
  return call.tool.class.kind === "read" && fault.code === "upstream-lost";
}
