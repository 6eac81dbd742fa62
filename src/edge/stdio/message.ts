import { callerName, metaKeys } from "../../../contract/index.ts";
import type { JsonObject } from "../envelope.ts";
import { envelopeKeys, isObject, metaOf } from "../envelope.ts";

/** One line of the client, as far as the bridge has to understand it; what it means is for the node to say. */
export type StdioMessage = {
  readonly text: string;
  readonly params: JsonObject;
} & (
  | {
      readonly kind: "request";
      readonly id: string | number;
      readonly method: string;
      readonly version: string | null;
    }
  | { readonly kind: "notification"; readonly method: string; readonly version: string | null }
  | { readonly kind: "answer" }
);

export type StdioRequest = Extract<StdioMessage, { kind: "request" }>;

/** null = no message. `version` = the revision that a message of the newer era names. */
export function messageFrom(text: string): StdioMessage | null {
  const body = parsed(text);
  if (!isObject(body)) return null;
  const { id, method } = body;
  const params = isObject(body["params"]) ? body["params"] : {};
  if (typeof method !== "string")
    return "result" in body || "error" in body ? { kind: "answer", text, params } : null;
  const named = metaOf(params)?.[envelopeKeys.protocolVersion];
  const version = typeof named === "string" ? named : null;
  if (id === undefined) return { kind: "notification", text, params, method, version };
  return typeof id === "string" || typeof id === "number"
    ? { kind: "request", text, params, id, method, version }
    : null;
}

/** Whether sending it twice does no more than sending it once: everything but acts, and acts that name their step or key. */
export function isRepeatable({ method, params }: StdioRequest): boolean {
  switch (method) {
    case "tools/call": {
      const meta = metaOf(params) ?? {};
      const isNamed = (key: string) => typeof meta[key] === "string" && callerName.test(meta[key]);
      return isNamed(metaKeys.key) || (isNamed(metaKeys.run) && isNamed(metaKeys.step));
    }
    case "tasks/update":
      return false;
    default:
      return true;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
