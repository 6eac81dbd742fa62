/**
 * Every way Signalbox says no or breaks, in one closed table.
 *
 * Each code says why (`cause`), whether trying again can help (`retry`), what happened upstream (`effect`), how it looks on
 * each wire (`http`, `rpc`, `mcp`) and what a stranger may read (`text`). The evidence that goes with a refusal is for the
 * operator's records; only `text` and the evidence fields that a refusal marks public leave the house.
 *
 * `rpc` codes of our own lie outside -32768..-32000, which JSON-RPC and MCP reserve (MCP 2026-07-28, basic/index).
 * `mcp` says how a `tools/call` answers: `result` = a tool result with `isError`, which the model sees and can act on;
 * `error` = a JSON-RPC error, which tells the client that the request itself was not acceptable.
 */
export type CauseClass = "caller" | "policy" | "overload" | "dependency" | "correctness";
export type Retry = "now" | "later" | "never";
export type Effect = "none" | "unknown" | "done";

export interface CodeRow {
  readonly cause: CauseClass;
  readonly retry: Retry;
  readonly effect: Effect;
  readonly http: number;
  readonly rpc: number;
  readonly mcp: "result" | "error";
  readonly text: string;
}

const row = (
  cause: CauseClass,
  retry: Retry,
  effect: Effect,
  http: number,
  rpc: number,
  mcp: "result" | "error",
  text: string,
): CodeRow => ({ cause, retry, effect, http, rpc, mcp, text });

export const codes = {
  // The request itself.
  "malformed-json": row("caller", "never", "none", 400, -32700, "error", "The body is not acceptable JSON."),
  "malformed-request": row(
    "caller",
    "never",
    "none",
    400,
    -32600,
    "error",
    "The request is not a valid JSON-RPC 2.0 request.",
  ),
  "body-too-large": row(
    "caller",
    "never",
    "none",
    413,
    -32600,
    "error",
    "The body is larger than this server accepts.",
  ),
  "header-mismatch": row(
    "caller",
    "never",
    "none",
    400,
    -32020,
    "error",
    "A header is missing or does not match the body.",
  ),
  "unsupported-version": row(
    "caller",
    "never",
    "none",
    400,
    -32022,
    "error",
    "This protocol version is not supported.",
  ),
  "method-not-found": row("caller", "never", "none", 404, -32601, "error", "There is no such method."),
  "invalid-params": row(
    "caller",
    "never",
    "none",
    400,
    -32602,
    "error",
    "The parameters are not acceptable.",
  ),
  "unsupported-media-type": row(
    "caller",
    "never",
    "none",
    415,
    -32600,
    "error",
    "Send application/json and accept application/json and text/event-stream.",
  ),
  "not-acceptable": row(
    "caller",
    "never",
    "none",
    406,
    -32600,
    "error",
    "Accept application/json and text/event-stream.",
  ),
  "method-not-allowed": row(
    "caller",
    "never",
    "none",
    405,
    -32600,
    "error",
    "This HTTP method is not allowed here.",
  ),
  "forbidden-origin": row(
    "caller",
    "never",
    "none",
    403,
    -31403,
    "error",
    "This Host or Origin may not call this server.",
  ),
  "not-found": row("caller", "never", "none", 404, -31404, "error", "There is no such thing."),
  conflict: row("caller", "never", "none", 409, -31409, "error", "This conflicts with what is there."),
  "session-not-found": row(
    "caller",
    "now",
    "none",
    404,
    -31405,
    "error",
    "This session is unknown. Initialize anew.",
  ),

  // Who is asking.
  unauthenticated: row(
    "caller",
    "never",
    "none",
    401,
    -31401,
    "error",
    "Send a valid token: Authorization: Bearer <token>.",
  ),
  "token-expired": row(
    "caller",
    "never",
    "none",
    401,
    -31401,
    "error",
    "The token has expired. Get a new one.",
  ),
  "principal-disabled": row(
    "caller",
    "never",
    "none",
    401,
    -31401,
    "error",
    "This agent or person is disabled or its token was revoked.",
  ),

  // What is asked.
  "unknown-tool": row("caller", "never", "none", 400, -32602, "error", "There is no such tool here for you."),
  "unknown-resource": row(
    "caller",
    "never",
    "none",
    400,
    -32602,
    "error",
    "There is no such resource here for you.",
  ),
  "unknown-prompt": row(
    "caller",
    "never",
    "none",
    400,
    -32602,
    "error",
    "There is no such prompt here for you.",
  ),
  "unknown-task": row("caller", "never", "none", 400, -32602, "error", "There is no such task here for you."),
  "missing-capability": row(
    "caller",
    "never",
    "none",
    400,
    -32021,
    "error",
    "The request needs a capability that the client did not declare.",
  ),
  "state-invalid": row(
    "caller",
    "never",
    "none",
    400,
    -32602,
    "error",
    "The request state is not one of ours, is out of date, or belongs to another request.",
  ),
  "input-abandoned": row(
    "caller",
    "never",
    "none",
    409,
    -31417,
    "result",
    "The call waited for input that was not given in time.",
  ),
  "parked-call-lost": row(
    "dependency",
    "never",
    "unknown",
    409,
    -31416,
    "result",
    "The node that held this call open has gone. The call may have happened; it is not sent again.",
  ),
  "invalid-arguments": row(
    "caller",
    "never",
    "none",
    400,
    -32602,
    "result",
    "The arguments do not fit the tool's schema.",
  ),
  "unsafe-value": row("caller", "never", "none", 400, -32602, "error", "A value cannot be carried exactly."),
  "step-mismatch": row(
    "caller",
    "never",
    "none",
    409,
    -31410,
    "result",
    "This step was recorded with another tool or other arguments.",
  ),
  "stale-attempt": row(
    "caller",
    "never",
    "none",
    409,
    -31411,
    "result",
    "A newer attempt of this run has been attached.",
  ),
  "run-ended": row(
    "caller",
    "never",
    "none",
    409,
    -31420,
    "result",
    "This run has finished, failed or been cancelled; nothing more happens in it.",
  ),
  "too-many-children": row(
    "caller",
    "never",
    "none",
    409,
    -31421,
    "result",
    "This run has started as many runs as one may, or is too far down in a line of them.",
  ),
  "run-in-review": row(
    "correctness",
    "later",
    "unknown",
    409,
    -31422,
    "result",
    "Signalbox was brought back to an earlier state, so whether this was done already is not known. Nothing is done here until an operator has released it; then try again.",
  ),
  "identical-call-open": row(
    "caller",
    "later",
    "none",
    409,
    -31412,
    "result",
    "An identical call of yours is still open or its outcome is unknown.",
  ),
  "outcome-unknown": row(
    "dependency",
    "later",
    "unknown",
    409,
    -31413,
    "result",
    "This call may or may not have happened.",
  ),
  "receipt-pending": row(
    "caller",
    "later",
    "none",
    409,
    -31415,
    "error",
    "The entry is recorded; its receipt is made within a second. Try again.",
  ),
  erased: row("caller", "never", "done", 410, -31414, "result", "The record of this call was erased."),

  // Policy.
  denied: row("policy", "never", "none", 403, -31001, "result", "Policy does not allow this call."),
  "approval-needed": row(
    "policy",
    "later",
    "none",
    403,
    -31002,
    "result",
    "A person has to approve this call first.",
  ),
  "approval-denied": row("policy", "never", "none", 403, -31005, "result", "A person said no to this call."),
  "approval-expired": row(
    "policy",
    "later",
    "none",
    403,
    -31006,
    "result",
    "Nobody approved this call in time.",
  ),
  "tool-quarantined": row(
    "policy",
    "later",
    "none",
    403,
    -31003,
    "result",
    "The tool's definition changed and waits for review.",
  ),
  forbidden: row("policy", "never", "none", 403, -31004, "error", "You may not do this."),

  "token-budget-exhausted": row(
    "policy",
    "never",
    "none",
    409,
    -31007,
    "result",
    "This run has used up its tokens; a person can raise its budget.",
  ),

  // Too much.
  "too-many-calls": row(
    "overload",
    "later",
    "none",
    429,
    -31101,
    "result",
    "Too many calls at once. Try again shortly.",
  ),
  "queue-full": row(
    "overload",
    "later",
    "none",
    503,
    -31102,
    "result",
    "Signalbox is at capacity. Try again shortly.",
  ),
  "shutting-down": row("overload", "now", "none", 503, -31103, "result", "This node is shutting down."),

  // What we depend on.
  "tool-unavailable": row("dependency", "later", "none", 503, -31201, "result", "This is not available now."),
  "upstream-rejected": row(
    "dependency",
    "never",
    "none",
    502,
    -31202,
    "result",
    "The tool's server rejected the request without running it.",
  ),
  "upstream-lost": row(
    "dependency",
    "never",
    "unknown",
    502,
    -31203,
    "result",
    "The tool's server was lost before it answered. The call may have happened.",
  ),
  "upstream-garbage": row(
    "dependency",
    "never",
    "unknown",
    502,
    -31204,
    "result",
    "The tool's server gave an answer that makes no sense. The call may have happened.",
  ),
  "deadline-before-dispatch": row(
    "dependency",
    "later",
    "none",
    504,
    -31205,
    "result",
    "The deadline passed before the call was sent.",
  ),
  "deadline-exceeded": row(
    "dependency",
    "never",
    "unknown",
    504,
    -31206,
    "result",
    "The deadline passed before the tool answered. The call may have happened.",
  ),
  cancelled: row(
    "caller",
    "never",
    "none",
    499,
    -31207,
    "error",
    "The caller withdrew the call before it was sent.",
  ),
  "result-too-large": row(
    "dependency",
    "never",
    "done",
    502,
    -31208,
    "result",
    "The tool's result is larger than allowed and was withheld.",
  ),
  "result-invalid": row(
    "dependency",
    "never",
    "done",
    502,
    -31209,
    "result",
    "The tool's result does not fit its own output schema and was withheld.",
  ),
  "ledger-unavailable": row(
    "dependency",
    "later",
    "none",
    503,
    -31210,
    "result",
    "The ledger cannot be written, so nothing is done.",
  ),
  "outcome-not-recorded": row(
    "dependency",
    "never",
    "unknown",
    503,
    -31211,
    "result",
    "The call was sent but its outcome could not be recorded.",
  ),

  // Store.
  "store-busy": row("overload", "later", "none", 503, -31301, "result", "The store is at capacity."),
  "store-unavailable": row(
    "dependency",
    "later",
    "none",
    503,
    -31302,
    "result",
    "The store cannot be written.",
  ),
  "store-in-use": row(
    "caller",
    "never",
    "none",
    409,
    -31303,
    "error",
    "The data directory is in use by another process.",
  ),
  "store-version": row(
    "caller",
    "never",
    "none",
    409,
    -31304,
    "error",
    "The data directory was written by an incompatible version.",
  ),
  "backup-broken": row(
    "correctness",
    "never",
    "none",
    409,
    -31306,
    "error",
    "The backup is damaged, cut off or was changed.",
  ),
  "lease-lost": row("dependency", "never", "none", 503, -31305, "result", "This node lost its lease."),

  // Configuration and ourselves.
  "config-invalid": row(
    "caller",
    "never",
    "none",
    400,
    -31501,
    "error",
    "The configuration is not acceptable.",
  ),
  internal: row(
    "correctness",
    "never",
    "unknown",
    500,
    -32603,
    "error",
    "Something is wrong in Signalbox. It has been counted and logged.",
  ),
} as const satisfies Record<string, CodeRow>;

export type Code = keyof typeof codes;

/** A call that waits for people: enough to come back for it, and to tell them where they decide. */
export interface PendingApproval {
  readonly call: string;
  readonly approval: string;
  /** Where a person signs in, sees exactly what will run, and decides; null = this node has no address yet. */
  readonly url: string | null;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** A refusal as data: an expected "no". `evidence` is the operator's; `detail` is one public sentence that adds the particulars. */
export interface Refusal {
  readonly code: Code;
  readonly detail: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
  /** What the call waits for, where people have to approve it first. Public. */
  readonly pending?: PendingApproval;
  /**
   * The server's own JSON-RPC error. Callers of resources, prompts, completions and tasks are given it in place of ours; a refused
   * tool call is a tool result, which models see.
   */
  readonly rpc?: { readonly code: number; readonly message: string; readonly data?: unknown };
}
