import type { Refusal } from "../../contract/index.ts";
import type { JsonObject } from "./envelope.ts";
import { envelopeKeys, envelopeProblem, isObject, metaFormProblem, metaOf, missingKeys } from "./envelope.ts";

/** The first revision whose requests describe themselves. Revisions are dates, so they compare as text. */
const firstModernVersion = "2026-07-28";
export const modernVersions = [firstModernVersion] as const;

const isModernVersion = (version: string): boolean => version >= firstModernVersion;

export interface RoutingHeaders {
  readonly protocolVersion: string | undefined;
  readonly method: string | undefined;
}

export interface ModernMessage {
  readonly kind: "modern";
  /** null = a notification. */
  readonly id: string | number | null;
  readonly method: string;
  readonly params: JsonObject;
  readonly meta: JsonObject;
  readonly version: string;
}

export interface Rejection {
  readonly kind: "rejected";
  readonly refusal: Refusal;
  readonly data: Readonly<Record<string, unknown>>;
}

/** `legacy` covers `initialize`, everything in a session, and answers posted by clients. */
export type Classified = ModernMessage | { readonly kind: "legacy" } | Rejection;

/**
 * Which era a posted message belongs to. The body decides, the version header only cross-checks: a proxy that drops a header
 * must not change what a request means. In the order of checks the same as the official SDK's classification, which a property
 * test compares with; batches are refused in both eras (the one revision that had them is older than every client we know).
 */
export function classify(headers: RoutingHeaders, body: unknown): Classified {
  if (Array.isArray(body)) return malformed("Batches are not accepted.");
  if (!isObject(body) || body["jsonrpc"] !== "2.0")
    return malformed('It must be one object with "jsonrpc": "2.0".');
  const foreign = Object.keys(body).find((key) => !members.has(key));
  if (foreign !== undefined || ("method" in body && !isRequestShaped(body))) {
    return malformed("It has members that a request, a notification or an answer does not have.");
  }
  if (!("method" in body)) {
    const isAnswer = isRequestId(body["id"]) && !("params" in body) && "result" in body !== "error" in body;
    return isAnswer ? { kind: "legacy" } : malformed("It has no method.");
  }
  const { method, id, params = noParams } = body;
  if (typeof method !== "string") return malformed("Its method must be a string.");
  if (!isObject(params)) return malformed("Its params must be an object.");
  const formless = metaFormProblem(params);
  if (formless !== null) return malformed(formless);
  if ("id" in body && !isRequestId(id)) return malformed("Its id must be a string or a whole number.");
  return "id" in body
    ? classifyRequest(headers, id as string | number, method, params)
    : classifyNotification(headers, method, params);
}

const members: ReadonlySet<string> = new Set(["jsonrpc", "id", "method", "params", "result", "error"]);

/** A message that is request and answer at once would be read differently by different readers. */
const isRequestShaped = (body: JsonObject): boolean => !("result" in body) && !("error" in body);

function classifyRequest(
  headers: RoutingHeaders,
  id: string | number,
  method: string,
  params: JsonObject,
): Classified {
  const meta = metaOf(params);
  const hasClaim = meta !== null && envelopeKeys.protocolVersion in meta;
  const named = headers.protocolVersion;
  const headerIsModern = named !== undefined && isModernVersion(named);
  if (method === "initialize" && !(hasClaim && isSoundModernClaim(meta))) {
    return headerIsModern
      ? mismatch("MCP-Protocol-Version", `It names ${named}, which has no initialize.`)
      : { kind: "legacy" };
  }
  if (!hasClaim) {
    if (!headerIsModern) return { kind: "legacy" };
    const missing = meta === null ? ["_meta"] : missingKeys(meta);
    return invalidEnvelope(`Requests of revision ${named} must carry ${missing.join(", ")}.`, { missing });
  }
  const problem = envelopeProblem(meta);
  if (problem !== null) return invalidEnvelope(problem, { problem });
  const version = meta[envelopeKeys.protocolVersion] as string;
  const disagreement = crossCheck(headers, method, version);
  return disagreement ?? { kind: "modern", id, method, params, meta, version };
}

/** Notifications carry no envelope of their own, so without a claim in the body the header decides. */
function classifyNotification(headers: RoutingHeaders, method: string, params: JsonObject): Classified {
  const meta = metaOf(params);
  const named = headers.protocolVersion;
  if (meta !== null && envelopeKeys.protocolVersion in meta) {
    const version = meta[envelopeKeys.protocolVersion];
    if (typeof version !== "string")
      return invalidEnvelope(`_meta["${envelopeKeys.protocolVersion}"] must be a string.`, {});
    // An older revision in the envelope is answered by the version check, which comes before the method's.
    const disagreement = crossCheck(
      isModernVersion(version) ? headers : { ...headers, method: undefined },
      method,
      version,
    );
    return disagreement ?? { kind: "modern", id: null, method, params, meta, version };
  }
  if (named === undefined || !isModernVersion(named)) return { kind: "legacy" };
  return (
    crossCheck(headers, method, named) ?? {
      kind: "modern",
      id: null,
      method,
      params,
      meta: noParams,
      version: named,
    }
  );
}

function crossCheck(headers: RoutingHeaders, method: string, version: string): Rejection | null {
  if (headers.protocolVersion !== undefined && headers.protocolVersion !== version) {
    return mismatch("MCP-Protocol-Version", `It names ${headers.protocolVersion}, the body ${version}.`);
  }
  if (headers.method !== undefined && headers.method !== method) {
    return mismatch("Mcp-Method", `It names ${headers.method}, the body ${method}.`);
  }
  return null;
}

function isSoundModernClaim(meta: JsonObject): boolean {
  const version = meta[envelopeKeys.protocolVersion];
  return typeof version === "string" && isModernVersion(version) && envelopeProblem(meta) === null;
}

const isRequestId = (id: unknown): id is string | number =>
  typeof id === "string" || Number.isSafeInteger(id);

const noParams: JsonObject = {};

const rejected = (refusal: Refusal, data: Readonly<Record<string, unknown>>): Rejection => ({
  kind: "rejected",
  refusal,
  data,
});

const malformed = (detail: string): Rejection => rejected({ code: "malformed-request", detail }, {});

const invalidEnvelope = (detail: string, envelope: Readonly<Record<string, unknown>>): Rejection =>
  rejected({ code: "invalid-params", detail }, { envelope });

/** Header values are the caller's own, so they may be told back; their length is bounded by the header bound. */
export const mismatch = (header: string, detail: string): Rejection =>
  rejected({ code: "header-mismatch", detail: `${header}: ${detail}` }, { header });
