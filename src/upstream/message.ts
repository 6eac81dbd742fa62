import { isUtf8 } from "node:buffer";
import type { JsonRpcError } from "./exchange.ts";
import { scanTopLevel } from "./json-scan.ts";
import { bounded } from "./trouble.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** One JSON-RPC message from a server. `id` is null where it is missing, null, or of a kind that we never hand out. */
export type Message =
  | { readonly kind: "result"; readonly id: number | null; readonly raw: string; readonly value: JsonObject }
  | { readonly kind: "error"; readonly id: number | null; readonly error: JsonRpcError }
  | ServerRequest
  | { readonly kind: "notification"; readonly method: string; readonly params: JsonObject }
  | { readonly kind: "garbage"; readonly id: number | null; readonly why: string };

/** A request of the server to its client. */
export interface ServerRequest {
  readonly kind: "request";
  readonly id: string | number;
  readonly method: string;
  readonly params: JsonObject;
  /** Of the whole message. */
  readonly chars: number;
}

/** An id of a server's request goes back in the answer; longer ones than this are no ids. */
const serverIdCharsMax = 1_000;

/** Bytes that are not UTF-8 have no exact text, so they are garbage. */
export function readMessageBytes(bytes: Buffer, depthMax: number): Message {
  if (!isUtf8(bytes)) return garbage(null, "it is not UTF-8");
  return readMessage(bytes.toString("utf8"), depthMax);
}

export function readMessage(text: string, depthMax: number): Message {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return garbage(null, "it is not JSON");
  }
  if (!isObject(parsed)) return garbage(null, "it is not an object");
  const id = typeof parsed["id"] === "number" ? parsed["id"] : null;
  const top = scanTopLevel(text, depthMax);
  if (top.isTooDeep) return garbage(id, `it is nested deeper than ${depthMax}`);
  if (top.isAmbiguous) return garbage(id, "a member stands twice in it, or it has very many");
  if (parsed["jsonrpc"] !== "2.0") return garbage(id, "it is not JSON-RPC 2.0");
  const method = parsed["method"];
  if (method !== undefined) return readCall(parsed, method, id, text.length);
  const error = parsed["error"];
  if (top.result !== null) {
    const value = parsed["result"];
    if (error !== undefined) return garbage(id, "it has both a result and an error");
    if (!isObject(value)) return garbage(id, "its result is not an object");
    return { kind: "result", id, raw: text.slice(top.result[0], top.result[1]), value };
  }
  return readError(error, id);
}

function readCall(parsed: JsonObject, method: unknown, id: number | null, chars: number): Message {
  if (typeof method !== "string") return garbage(id, "its method is not a string");
  const callId = parsed["id"];
  const params = isObject(parsed["params"]) ? parsed["params"] : {};
  if (callId === undefined) return { kind: "notification", method, params };
  if (typeof callId !== "string" && typeof callId !== "number") {
    return garbage(null, "its id is neither string nor number");
  }
  if (typeof callId === "string" && callId.length > serverIdCharsMax)
    return garbage(null, "its id is too long");
  return { kind: "request", id: callId, method, params, chars };
}

function readError(error: unknown, id: number | null): Message {
  if (!isObject(error)) return garbage(id, "it has neither result nor error");
  const code = error["code"];
  const message = error["message"];
  if (!Number.isSafeInteger(code) || typeof message !== "string") {
    return garbage(id, "its error has no code or no message");
  }
  const data = error["data"];
  return {
    kind: "error",
    id,
    error: {
      code: code as number,
      message: message.slice(0, errorMessageCharsMax),
      ...(data === undefined ? {} : { data }),
    },
  };
}

/** Longer messages than this are documents, not messages; `data` may hold the rest. */
const errorMessageCharsMax = 4_000;

const garbage = (id: number | null, why: string): Message => ({ kind: "garbage", id, why: bounded(why) });

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
