import type { Calls } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { JsonObject } from "../envelope.ts";
import { rejection } from "./rejection.ts";

/** The same list as in the modern era, parsed, because the SDK takes objects. One page. */
export function listTools(calls: Calls, principal: Principal, params: JsonObject): Record<string, unknown> {
  if (params["cursor"] !== undefined) {
    throw rejection({ code: "invalid-params", detail: "There is no such cursor." });
  }
  // Our own text, made by JSON.stringify.
  return JSON.parse(calls.listTools(principal)) as Record<string, unknown>;
}
