import type { Code, ReceiptReference, Refusal } from "../../contract/index.ts";
import { codes, metaKeys } from "../../contract/index.ts";

/** A JSON-RPC id as it came in; null where none could be read. */
export type RequestId = string | number | null;

/**
 * The two faces of a refusal. Only the code's public text and the refusal's `detail` leave the house; evidence never does.
 * A `result` is a tool result the model sees and can act on; an `error` tells the client that its request was not acceptable.
 */
function refusalText(refusal: Refusal): string {
  const text = codes[refusal.code].text;
  return refusal.detail === "" || refusal.detail === text ? text : `${text} ${refusal.detail}`;
}

function refusalMeta(refusal: Refusal, receipt: ReceiptReference | null): Record<string, unknown> {
  const { cause, retry, effect } = codes[refusal.code];
  return {
    [metaKeys.refusal]: { code: refusal.code, cause, retry, effect },
    ...(receipt === null ? {} : { [metaKeys.receipt]: { entry: receipt.entry, leaf: receipt.leaf } }),
  };
}

/** What a refused `tools/call` answers when its code's row says `result`. */
export function refusalResult(refusal: Refusal, receipt: ReceiptReference | null): Record<string, unknown> {
  return {
    content: [{ type: "text", text: refusalText(refusal) }],
    isError: true,
    _meta: refusalMeta(refusal, receipt),
  };
}

export interface JsonRpcErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data: Record<string, unknown>;
}

/** `data` is what the protocol asks for beside ours, e.g. the supported versions. */
export function refusalError(
  refusal: Refusal,
  receipt: ReceiptReference | null,
  data: Readonly<Record<string, unknown>> = {},
): JsonRpcErrorObject {
  return {
    code: codes[refusal.code].rpc,
    message: refusalText(refusal),
    data: { ...data, ...refusalMeta(refusal, receipt) },
  };
}

export function errorBody(
  id: RequestId,
  refusal: Refusal,
  receipt: ReceiptReference | null = null,
  data: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({ jsonrpc: "2.0", id, error: refusalError(refusal, receipt, data) });
}

export const httpStatusOf = (code: Code): number => codes[code].http;

/** Seconds for Retry-After; null = trying again later does not help, or nobody can say when. */
export function retryAfterSeconds(code: Code): number | null {
  const { cause, retry } = codes[code];
  return cause === "overload" && retry !== "never" ? 1 : null;
}
