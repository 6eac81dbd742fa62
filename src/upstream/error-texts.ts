import { readAsks } from "./ask-rules.ts";
import type { JsonRpcError, UpstreamReply, UpstreamRequest } from "./exchange.ts";
import { isObject } from "./message.ts";
import { bounded } from "./trouble.ts";

/** More is a list that nobody reads. */
const namedMax = 20;

/**
 * The same error as a caller of ours should read it: a server describes its own hop, and what is wrong there may be our caller's
 * business (a capability it lacks) or only ours (headers and versions between us and the server).
 */
export function describedError(error: JsonRpcError): JsonRpcError {
  switch (error.code) {
    case -32021: {
      const required = requiredCapabilities(error.data);
      const names = required === null ? [] : capabilityNames(required);
      const what = names.length === 0 ? bounded(error.message) : names.join(", ");
      return {
        code: error.code,
        message: `the client did not declare a capability that this needs: ${what}`,
        data: { requiredCapabilities: required ?? {} },
      };
    }
    case -32020:
      return {
        code: error.code,
        message: `it found the headers of Signalbox's request at odds with its body: ${bounded(error.message)}`,
      };
    case -32022:
      return {
        code: error.code,
        message: `it does not speak the protocol version of this connection: ${bounded(error.message)}`,
        // Names the versions it does speak, for whoever makes the connection.
        data: error.data,
      };
    default:
      return error;
  }
}

/**
 * Servers of 2025-11-25 that need a person to visit a page first say so by the error -32042 and have done nothing yet. To callers
 * that declared this it is a question like any other; their next round is the same request again. null = it is not that.
 */
export function urlAsks(error: JsonRpcError, request: UpstreamRequest): UpstreamReply | null {
  if (error.code !== -32042 || !isObject(error.data)) return null;
  const { elicitations } = error.data;
  if (!Array.isArray(elicitations) || elicitations.length === 0) return null;
  const asked: Record<string, unknown> = {};
  for (const [i, params] of elicitations.entries()) {
    if (!isObject(params) || params["mode"] !== "url") return null;
    // `elicitationId` belongs to the older era alone.
    const { elicitationId: _older, ...rest } = params;
    asked[`url-${i + 1}`] = { method: "elicitation/create", params: rest };
  }
  const requests = readAsks(asked, request.profile);
  if (typeof requests === "string") return null;
  const raw = JSON.stringify({ resultType: "input_required", inputRequests: asked });
  return { kind: "input-required", raw, requests, requestState: null };
}

function requiredCapabilities(data: unknown): Readonly<Record<string, unknown>> | null {
  const required = isObject(data) ? data["requiredCapabilities"] : null;
  return isObject(required) ? required : null;
}

/** `elicitation`, `elicitation.url`, `extensions.io.modelcontextprotocol/tasks`. */
function capabilityNames(required: Readonly<Record<string, unknown>>): string[] {
  const names: string[] = [];
  for (const [name, value] of Object.entries(required)) {
    const parts = isObject(value) ? Object.keys(value) : [];
    if (parts.length === 0) names.push(bounded(name));
    for (const part of parts) names.push(bounded(`${name}.${part}`));
    if (names.length >= namedMax) break;
  }
  return names.slice(0, namedMax);
}
