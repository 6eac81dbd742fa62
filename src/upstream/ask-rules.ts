import type { Ask, JsonRpcError } from "./exchange.ts";
import { isObject } from "./message.ts";
import type { Profile } from "../registry/index.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** In one `input_required`: a form for a person has fewer questions than this. */
const asksMax = 16;
const keyCharsMax = 256;
/** A question for a person is a form, not a document; one for a model may carry images. */
const formCharsMax = 64 * 1024;
const samplingCharsMax = 8 * 1024 * 1024;

/**
 * Why the client that declared `profile` may not be asked this; null = it may. Servers must not ask for what was not declared (MCP
 * 2026-07-28, basic/patterns/mrtr; 2025-11-25, client/elicitation: -32602 for a mode that was not declared).
 */
export function whyNotAsked(ask: Ask, chars: number, { capabilities }: Profile): JsonRpcError | null {
  switch (ask.method) {
    case "elicitation/create":
      return whyNotElicited(ask.params, capabilities["elicitation"]) ?? tooLong(chars, formCharsMax);
    case "sampling/createMessage":
      return whyNotSampled(ask.params, capabilities["sampling"]) ?? tooLong(chars, samplingCharsMax);
    case "roots/list":
      return isObject(capabilities["roots"]) ? tooLong(chars, formCharsMax) : notDeclared(ask.method);
    default:
      return notDeclared(ask.method);
  }
}

/** The questions of an `input_required` result or task, by the server's keys; a string = what is wrong with them. */
export function readAsks(value: unknown, profile: Profile): Readonly<Record<string, Ask>> | string {
  if (value === undefined) return {};
  if (!isObject(value)) return "its inputRequests are not an object";
  const keys = Object.keys(value);
  if (keys.length > asksMax) return `it asks ${keys.length} questions at once; ${asksMax} are the most`;
  // Without a prototype, so that a key like `__proto__` is only a key.
  const asks = Object.create(null) as Record<string, Ask>;
  for (const key of keys) {
    const request = value[key];
    if (key.length > keyCharsMax) return "the key of a question is too long";
    if (!isObject(request) || typeof request["method"] !== "string") return "a question of it has no method";
    const params = request["params"];
    if (params !== undefined && !isObject(params)) return "the params of a question are not an object";
    const ask: Ask = { method: request["method"], params: params ?? {} };
    const refusal = whyNotAsked(ask, JSON.stringify(ask.params).length, profile);
    if (refusal !== null) return `it asks for ${ask.method.slice(0, 60)}: ${refusal.message}`;
    asks[key] = ask;
  }
  return asks;
}

function whyNotElicited(params: JsonObject, declared: unknown): JsonRpcError | null {
  if (!isObject(declared)) return notDeclared("elicitation/create");
  const mode = params["mode"] ?? "form";
  const knowsUrl = isObject(declared["url"]);
  // A client that names no mode knows forms (MCP 2025-11-25, client/elicitation).
  const knowsForm = isObject(declared["form"]) || !knowsUrl;
  if (mode === "form" && knowsForm) return null;
  if (mode === "url" && knowsUrl) return isWebPage(params["url"]) ? null : noPage;
  return { code: -32602, message: "The client did not declare this mode of elicitation." };
}

/** A client opens it for a person: anything but a page runs something, or opens a file. */
const isWebPage = (url: unknown): boolean =>
  typeof url === "string" && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);

const noPage: JsonRpcError = {
  code: -32602,
  message: "The url of the elicitation is no http or https address.",
};

function whyNotSampled(params: JsonObject, declared: unknown): JsonRpcError | null {
  if (!isObject(declared)) return notDeclared("sampling/createMessage");
  const wantsTools = params["tools"] !== undefined || params["toolChoice"] !== undefined;
  if (!wantsTools || isObject(declared["tools"])) return null;
  return { code: -32602, message: "The client did not declare sampling with tools." };
}

const notDeclared = (method: string): JsonRpcError => ({
  code: -32601,
  message: `The client does not offer ${method.slice(0, 60)}.`,
});

const tooLong = (chars: number, max: number): JsonRpcError | null =>
  chars <= max ? null : { code: -32602, message: `The question is longer than ${max} characters.` };
