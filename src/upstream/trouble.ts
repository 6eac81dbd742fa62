import { explain, Fault } from "../base/index.ts";
import type { NetFailure } from "../net/index.ts";
import type { HealthCause } from "../registry/index.ts";

/** Why a connection could not be made or was lost, as a person should read it. */
export class Trouble extends Error {
  override readonly name = "Trouble";
  readonly healthCause: HealthCause;

  constructor(healthCause: HealthCause, reason: string, cause?: unknown) {
    super(bounded(reason), cause === undefined ? undefined : { cause });
    this.healthCause = healthCause;
  }
}

const reasonCharsMax = 500;

/** One line, without control characters, at most 500 characters. */
export function bounded(text: string): string {
  const line = text
    .slice(0, reasonCharsMax * 2)
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, " ")
    .trim();
  return line.length <= reasonCharsMax ? line : `${line.slice(0, reasonCharsMax - 1)}…`;
}

export function troubleFrom(thrown: unknown): Trouble {
  if (thrown instanceof Trouble) return thrown;
  if (thrown instanceof Fault) return new Trouble(healthCauseOf(thrown), thrown.message, thrown);
  return new Trouble("correctness", explain(thrown), thrown);
}

function healthCauseOf(fault: Fault): HealthCause {
  if (fault.code === "too-many-calls" || fault.code === "queue-full") return "overload";
  if (fault.code === "upstream-garbage" || fault.code === "config-invalid") return "correctness";
  const { status } = fault.evidence;
  if (status === 429 || status === 503) return "overload";
  if (status === 401 || status === 403) return "correctness";
  return "dependency";
}

/** What a failure of the HTTP client means for the call that was under way. */
export function faultFromNet(failure: NetFailure, serverName: string): Fault {
  const cause = { cause: failure, evidence: { failure: failure.kind, sent: failure.sent } };
  switch (failure.kind) {
    case "forbidden":
      return new Fault("deadline-before-dispatch", `${serverName}: dispatch was forbidden`, cause);
    case "aborted":
      return cancelledFault(serverName, failure.sent);
    case "deadline":
      return deadlineFault(serverName, failure.sent);
    case "too-large":
      return new Fault("result-too-large", `${serverName}: ${failure.message}`, cause);
    case "protocol":
      return failure.sent
        ? new Fault("upstream-garbage", `${serverName}: ${failure.message}`, cause)
        : new Fault("tool-unavailable", `${serverName}: ${failure.message}`, cause);
    case "refused-address":
    case "dns":
    case "connect":
    case "tls":
    case "closed":
    case "lost":
      return failure.sent
        ? new Fault("upstream-lost", `${serverName}: ${failure.message}`, cause)
        : new Fault("tool-unavailable", `${serverName}: ${failure.message}`, cause);
  }
}

export const cancelledFault = (serverName: string, sent: boolean): Fault =>
  new Fault("cancelled", `${serverName}: the call was withdrawn`, { effect: sent ? "unknown" : "none" });

export const deadlineFault = (serverName: string, sent: boolean): Fault =>
  sent
    ? new Fault("deadline-exceeded", `${serverName}: no answer before the deadline`)
    : new Fault("deadline-before-dispatch", `${serverName}: the deadline passed before the call was sent`);

export const listenRefused = (serverName: string, rpc: number): Fault =>
  new Fault("upstream-rejected", `${serverName} refused subscriptions/listen with error ${rpc}`, {
    evidence: { rpc },
  });
