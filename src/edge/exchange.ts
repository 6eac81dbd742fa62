import type { IncomingMessage, ServerResponse } from "node:http";
import type { MonotonicMs, Result } from "../base/index.ts";
import type { CallInput } from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { JsonObject } from "./envelope.ts";
import { isObject } from "./envelope.ts";
import type { Refusal } from "../../contract/index.ts";
import { ok, refuse } from "../base/index.ts";

/** An authenticated request on its way to an era. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly principal: Principal;
  /** Asks again who the caller is: the same token, today's answer. */
  readonly authenticate: CallInput["authenticate"];
  readonly receivedAt: MonotonicMs;
}

export interface ToolCallParams {
  readonly name: string;
  readonly arguments: JsonObject;
}

/** A name no tool can have is refused by its length, before it gets into anybody's log or index. */
const nameCharsMax = 256;
const noArguments: JsonObject = {};

/** The form of `tools/call` parameters, the same in both eras. What they mean is for `calls` to say. */
export function toolCallParams(params: JsonObject): Result<ToolCallParams> {
  const { name, arguments: args = noArguments } = params;
  if (typeof name !== "string") return bad("params.name must be a string.");
  if (name.length > nameCharsMax) return bad(`params.name is longer than ${nameCharsMax} characters.`);
  if (!isObject(args)) return bad("params.arguments must be an object.");
  return ok({ name, arguments: args });
}

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "invalid-params", detail });
