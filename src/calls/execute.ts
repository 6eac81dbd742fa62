import { codes } from "../../contract/index.ts";
import type { Fault } from "../base/index.ts";
import { elapsedMs, faultFrom } from "../base/index.ts";
import { isOwnTool, noCapabilities } from "../registry/index.ts";
import type { JsonRpcError, Round, UpstreamReply, UpstreamRequest } from "../upstream/index.ts";
import { answerAsk } from "./answer-ask.ts";
import { askedInline } from "./asking-inline.ts";
import type { Executing } from "./asking.ts";
import { askedInMidCall, firstRound } from "./asking.ts";
import { neverAborts, upstreamMeta } from "./request-meta.ts";
import { heldBack, neverLeft, wasHeldBack } from "./doubt.ts";
import type { House } from "./house.ts";
import { callerOf } from "./principal-ids.ts";
import { screenedLog, screenedProgress } from "./progress.ts";
import { notClosedBy } from "./send-again.ts";
import type { Executed, Intended, Reply } from "./stages.ts";
import type { Station } from "./station.ts";
import { Stop } from "./station.ts";
import { isNamedInArguments } from "./subject.ts";

/** One more try at most: what is still down after that is for the caller to know. */
const retriesMax = 1;
const retryDelayMs = 25;

/**
 * Sends the call and waits. The only place that retries, and only when no byte left or the class says that repeating is harmless,
 * within the deadline and the node's retry budget. Never refuses: whatever happens from here on is an outcome. What a node answers
 * by itself is sent nowhere.
 */
export const execute: Station<Intended, Executed> = {
  name: "execute",
  async visit(call, house) {
    const executed = Object.assign(call, { inputs: null }) as Intended & Pick<Executed, "inputs">;
    if (isOwnTool(call.subject.id)) return Object.assign(executed, { reply: await answerAsk(call, house) });
    const { input } = call;
    const withheld = await heldBack(executed, house);
    if (withheld !== null) return Object.assign(executed, { reply: withheld });
    let round = firstRound(call);
    for (;;) {
      const reply = await exchange(executed, round, house);
      if (reply.kind !== "asks" || input.ask === null) return Object.assign(executed, { reply });
      const next = await askedInline(executed, input.ask, reply, house);
      if (next instanceof Stop) return next;
      if (next.kind !== "round") return Object.assign(executed, { reply: next });
      round = next.round;
    }
  },
};

/** One exchange, tried again where nothing can have come of it. What an earlier try left open, a later failure does not close. */
async function exchange(call: Executing, round: Round | null, house: House): Promise<Executed["reply"]> {
  let open: Executed["reply"] | null = null;
  for (let attempt = 0; ; attempt++) {
    let reply: Executed["reply"];
    let fault: Fault | null = null;
    try {
      reply = replyOf(await house.upstreams.exchange(requestOf(call, round, house)), call);
    } catch (thrown) {
      fault = faultFrom(thrown, `calling ${call.subject.id}`);
      const held = wasHeldBack(call, fault, house) ? neverLeft : fromFault(fault);
      reply = wasWithdrawn(call, fault) ? withdrawn : held;
    }
    const closing = round === null ? notClosedBy(call, reply) : reply;
    const told = open !== null && reply.kind === "failed" ? open : closing;
    if (fault === null || attempt >= retriesMax || !mayRetry(call, fault)) return told;
    if (!house.retryBudget.take()) return told;
    await house.pause(retryDelayMs);
    if (elapsedMs(call.deadline.at, house.clock.monotonic()) <= 0) return told;
    if (reply.kind === "unknown" && call.subject.class.kind !== "read") open = reply;
  }
}

function requestOf(call: Executing, round: Round | null, house: House): UpstreamRequest {
  const { subject, input } = call;
  return {
    server: subject.server,
    method: input.method,
    name: isNamedInArguments(input.method) ? null : subject.name,
    argumentsText: call.argumentsText,
    meta: upstreamMeta(call),
    caller: callerOf(call.principal),
    deadline: call.deadline,
    // Only a `read` ends when its caller goes away. Anything else has been recorded as an intent: its server is told, and we
    // listen until the deadline and record what became of it.
    signal: subject.class.kind === "read" ? input.signal : neverAborts,
    // A server that follows the advice may never answer, which makes the outcome unknown. So it is not given for a named step
    // or key: its caller, or another that has joined it, comes back for the outcome.
    advice: subject.class.kind === "read" || call.repeat !== null ? null : input.signal,
    profile: input.profile,
    logLevel: input.logLevel,
    round,
    onAsk: input.profile === noCapabilities ? null : (ask) => askedInMidCall(call, ask, house),
    onLog: screenedLog(call, house),
    onProgress: screenedProgress(call, house),
    mayDispatch: call.mayDispatch,
  };
}

function replyOf(answer: UpstreamReply, call: Executing): Executed["reply"] {
  switch (answer.kind) {
    case "result":
      return fromResult(answer.raw, answer.value);
    case "input-required":
      return fromAsks(answer);
    case "task":
      return { kind: "task", value: answer.value };
    case "rejected":
      return {
        kind: "failed",
        code: "upstream-rejected",
        detail: `${call.subject.server.name} rejected the request: ${answer.error.message}`,
        evidence: { rpcCode: answer.error.code },
        rpc: answer.error,
      };
    case "error":
      return fromError(call, answer.error);
  }
}

const fromResult = (raw: string, value: Readonly<Record<string, unknown>>): Reply => ({
  kind: "answered",
  raw,
  value,
  isError: value["isError"] === true,
});

const fromAsks = (asked: Extract<UpstreamReply, { kind: "input-required" }>): Executed["reply"] => ({
  kind: "asks",
  requests: asked.requests,
  value: JSON.parse(asked.raw) as Readonly<Record<string, unknown>>,
  requestState: asked.requestState,
});

/** The server answered, and may have acted before it did: an answer like `isError`, in the protocol's other clothes. */
function fromError({ subject }: Intended, error: JsonRpcError): Reply {
  if (subject.kind !== "tool") {
    const detail = `${subject.server.name} answered with error ${error.code}: ${error.message}`;
    return {
      kind: "failed",
      code: "upstream-rejected",
      detail,
      evidence: { rpcCode: error.code },
      rpc: error,
    };
  }
  const value = {
    content: [
      { type: "text", text: `The tool's server answered with error ${error.code}: ${error.message}` },
    ],
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
  const { kind } = call.subject.class;
  // An `idempotent` call carries its key, so that its server carries it out once.
  return (kind === "read" || kind === "idempotent") && fault.code === "upstream-lost";
}
