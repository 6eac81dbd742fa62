import type { ReceiptReference, Refusal } from "../../contract/index.ts";
import type { Deadline, MonotonicMs, Result } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";

/** What an edge hands in: one request, parsed and checked for form, with nothing decided yet. */
export interface CallInput {
  /** Ours, for logs and traces; unique per request. */
  readonly requestId: string;
  /** Answers again at every return of this call, so that a revocation takes effect. */
  readonly authenticate: () => Result<Principal> | Promise<Result<Principal>>;
  readonly method: "tools/call";
  /** The exposed name. */
  readonly name: string;
  /** From `parseStrictJson`: no duplicate keys, no unsafe integers, no lone surrogates. Absent arguments are {}. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** All of the request's `_meta`, ours included. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** null = the server's own call timeout. */
  readonly deadline: Deadline | null;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  readonly onProgress: ((progress: Readonly<Record<string, unknown>>) => void) | null;
  readonly receivedAt: MonotonicMs;
}

/**
 *  result   `text` is the JSON text of the MCP result, receipt included; send it as it is.
 *  refused  we said no, or it failed; `edge` maps the code to its wire by `codes[code]`.
 */
export type CallAnswer =
  | { readonly kind: "result"; readonly text: string; readonly receipt: ReceiptReference }
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly receipt: ReceiptReference | null };

/** The door of the governed line, as edges see it. */
export interface Calls {
  call(input: CallInput): Promise<CallAnswer>;
  /** The JSON text of `{"tools":[…]}` for this caller: filtered by what it may use and what is healthy; cached as text. */
  listTools(principal: Principal): string;
}
