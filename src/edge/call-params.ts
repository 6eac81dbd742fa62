import type { Refusal } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { CallMethod, TaskInput } from "../calls/index.ts";
import type { JsonObject } from "./envelope.ts";
import { isObject } from "./envelope.ts";

/** What of a request's parameters a call is about; the same in both eras. */
export interface CallParams {
  readonly name: string;
  readonly arguments: JsonObject;
}

/** A name nothing can have is refused by its length, before it gets into anybody's log or index. */
const nameCharsMax = 256;
/** A longer URI does not fit into the `Mcp-Name` header, in Base64 and beside a token. */
const uriCharsMax = 4_096;
/** As of servers whose lists we read. */
const cursorCharsMax = 4_096;
const noArguments: JsonObject = {};

/** The form of the parameters of a governed request. What they mean is for `calls` to say. */
export function callParams(method: CallMethod, params: JsonObject): Result<CallParams> {
  switch (method) {
    case "tools/call":
    case "prompts/get": {
      const { name, arguments: args = noArguments } = params;
      const problem = textProblem("params.name", name, nameCharsMax);
      if (problem !== null) return bad(problem);
      if (!isObject(args)) return bad("params.arguments must be an object.");
      return ok({ name: name as string, arguments: args });
    }
    case "resources/read": {
      const problem = uriProblem("params.uri", params["uri"]);
      return problem === null ? ok({ name: params["uri"] as string, arguments: noArguments }) : bad(problem);
    }
    case "skills/get":
    case "resources/directory/read": {
      const { uri, cursor } = params;
      const problem = uriProblem("params.uri", uri) ?? cursorProblem(method, cursor);
      if (problem !== null) return bad(problem);
      const args = method === "skills/get" || cursor === undefined ? noArguments : { cursor };
      return ok({ name: uri as string, arguments: args });
    }
    case "completion/complete":
      return completionParams(params);
  }
}

const readings: ReadonlySet<string> = new Set<CallMethod>([
  "resources/read",
  "skills/get",
  "resources/directory/read",
]);

/** What reads something at a URI: in the newer era its answer says how long it may be kept, and its error names the URI. */
export const isReading = (method: CallMethod | TaskInput["method"]): boolean => readings.has(method);

/** A directory's pages are its server's own, and so are their cursors. */
const cursorProblem = (method: CallMethod, cursor: unknown): string | null =>
  method === "skills/get" || cursor === undefined
    ? null
    : textProblem("params.cursor", cursor, cursorCharsMax);

/** null = acceptable. */
export const uriProblem = (where: string, uri: unknown): string | null =>
  textProblem(where, uri, uriCharsMax);

function completionParams(params: JsonObject): Result<CallParams> {
  const { ref, argument, context } = params;
  if (!isObject(ref)) return bad("params.ref must be an object.");
  const isPrompt = ref["type"] === "ref/prompt";
  if (!isPrompt && ref["type"] !== "ref/resource")
    return bad('params.ref.type must be "ref/prompt" or "ref/resource".');
  const name = isPrompt ? ref["name"] : ref["uri"];
  const problem = isPrompt
    ? textProblem("params.ref.name", name, nameCharsMax)
    : uriProblem("params.ref.uri", name);
  if (problem !== null) return bad(problem);
  if (!isObject(argument) || typeof argument["name"] !== "string" || typeof argument["value"] !== "string")
    return bad("params.argument must be an object with the strings name and value.");
  if (context !== undefined && !isObject(context)) return bad("params.context must be an object.");
  return ok({
    name: name as string,
    arguments: context === undefined ? { argument } : { argument, context },
  });
}

/** null = a string that is not too long. */
export function textProblem(where: string, value: unknown, charsMax: number): string | null {
  if (typeof value !== "string") return `${where} must be a string.`;
  return value.length > charsMax ? `${where} is longer than ${charsMax} characters.` : null;
}

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
