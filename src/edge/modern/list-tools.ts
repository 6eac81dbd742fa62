import type { Refusal } from "../../../contract/index.ts";
import type { Result } from "../../base/index.ts";
import { ok, refuse } from "../../base/index.ts";
import type { Calls } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { JsonObject } from "../envelope.ts";
import { envelopeKeys } from "../envelope.ts";
import { withMembers } from "../splice.ts";

/** Members of every list: private, because it is filtered by what this caller may use. Made once. */
export function listMembers(options: {
  readonly serverInfo: { readonly name: string; readonly version: string };
  readonly listTtlMs: number;
}): string {
  const text = JSON.stringify({
    resultType: "complete",
    ttlMs: options.listTtlMs,
    cacheScope: "private",
    _meta: { [envelopeKeys.serverInfo]: options.serverInfo },
  });
  return text.slice(1, -1);
}

/** The list is one page: a cursor can only be somebody else's or made up. */
export function listToolsText(
  calls: Calls,
  principal: Principal,
  params: JsonObject,
  members: string,
): Result<string> {
  if (params["cursor"] !== undefined) {
    return refuse<Refusal>({ code: "invalid-params", detail: "There is no such cursor." });
  }
  return ok(withMembers(calls.listTools(principal), members));
}
