import type { Code, ReceiptReference, Refusal } from "../../contract/index.ts";
import { codes, metaKeys } from "../../contract/index.ts";
import { isObject } from "./envelope.ts";

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
    ...(refusal.pending === undefined ? {} : { [metaKeys.pending]: refusal.pending }),
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
  const theirs = errorOfServer(refusal);
  const meta = { ...publicEvidence(refusal), ...refusalMeta(refusal, receipt) };
  return theirs === null
    ? { code: codes[refusal.code].rpc, message: refusalText(refusal), data: { ...data, ...meta } }
    : { code: theirs.code, message: theirs.message, data: { ...dataOf(theirs.data), ...meta } };
}

/** MCP 2026-07-28: the client did not declare what the request needs. */
export const missingCapability = -32021;
/** Headers and version, which are about the way between us and the server: the client has nothing to do with them. */
const ofOurWay: ReadonlySet<number> = new Set([-32020, -32022]);

/** The server's own error, which tells a client more than ours. null = there is none that is the client's business. */
function errorOfServer(refusal: Refusal): NonNullable<Refusal["rpc"]> | null {
  return refusal.rpc === undefined || ofOurWay.has(refusal.rpc.code) ? null : refusal.rpc;
}

function dataOf(data: unknown): Readonly<Record<string, unknown>> {
  if (isObject(data)) return data;
  return data === undefined ? {} : { data };
}

/** The evidence that the protocol wants told: what the client must declare, and which of its URIs leads nowhere. */
function publicEvidence(refusal: Refusal): Record<string, unknown> {
  const { code, evidence = {} } = refusal;
  if (code === "missing-capability") return { requiredCapabilities: evidence["requiredCapabilities"] ?? {} };
  return code === "unknown-resource" && "uri" in evidence ? { uri: evidence["uri"] } : {};
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
