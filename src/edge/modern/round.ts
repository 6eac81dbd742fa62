import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Round } from "../../calls/index.ts";
import type { JsonObject } from "../envelope.ts";
import { isObject } from "../envelope.ts";

/** A question that asks for more than this at once is a form nobody fills in. */
const responsesMax = 64;
const keyCharsMax = 256;
/** As long as the longest we give; `calls` is the one to say what a state means. */
const stateCharsMax = 512 * 1024;

const first: Result<null> = ok(null);

/**
 * What a retry brings back of an earlier `input_required` (MCP 2026-07-28, basic/patterns/mrtr): the form only. null = it is the
 * first round. Keys that nobody asked for pass, because whoever asked ignores them.
 */
export function roundOf(params: JsonObject): Result<Round | null> {
  const { inputResponses, requestState } = params;
  if (inputResponses === undefined && requestState === undefined) return first;
  if (requestState !== undefined && typeof requestState !== "string")
    return bad("params.requestState must be a string.");
  if (requestState !== undefined && requestState.length > stateCharsMax)
    return bad(`params.requestState is longer than ${stateCharsMax} characters.`);
  const responses = inputResponses === undefined ? ok({}) : responsesOf(inputResponses);
  return responses.ok
    ? ok({ inputResponses: responses.value, requestState: requestState ?? null })
    : responses;
}

/** Every kind of answer (elicitation, sampling, roots) is an object. */
export function responsesOf(value: unknown): Result<JsonObject> {
  if (!isObject(value)) return bad("params.inputResponses must be an object.");
  const keys = Object.keys(value);
  if (keys.length > responsesMax)
    return bad(`params.inputResponses has ${keys.length} members; at most ${responsesMax} are accepted.`);
  const long = keys.find((key) => key.length > keyCharsMax);
  if (long !== undefined)
    return bad(`params.inputResponses has a key longer than ${keyCharsMax} characters.`);
  const formless = keys.find((key) => !isObject(value[key]));
  if (formless !== undefined)
    return bad(`params.inputResponses[${JSON.stringify(formless)}] must be an object.`);
  return ok(value);
}

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
