import { metaKeys, waitToolName } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import type { CallId } from "../ledger/index.ts";
import type { CallInput, CallMethod } from "./call.ts";
import type { House } from "./house.ts";
import { principalIds } from "./principal-ids.ts";
import type { RequestState } from "./round.ts";
import type { Authenticated } from "./stages.ts";

/** Most clients give up after 60 s. */
const waitSecondsDefault = 50;
const waitSecondsMax = 600;

/** As it stands in lists, for those whose policies ask people. */
export const waitToolText = JSON.stringify({
  name: waitToolName,
  title: "Wait for an approval",
  description:
    "Waits until people have decided about a call that needs their approval, then runs it and answers with its result. " +
    "Safe to call again: the call runs once.",
  inputSchema: {
    type: "object",
    properties: {
      call: { type: "string", description: "the id of the call that waits, as you were told it" },
      seconds: {
        type: "integer",
        minimum: 1,
        maximum: waitSecondsMax,
        description: `how long to wait at most; ${waitSecondsDefault} unless you say otherwise`,
      },
    },
    required: ["call"],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: false, idempotentHint: true, openWorldHint: false },
});

/** Whoever waits in a step of its own does not make the awaited call part of that step. */
const othersOf = (meta: CallInput["meta"]): CallInput["meta"] =>
  Object.fromEntries(Object.entries(meta).filter(([key]) => !callNames.has(key)));
const callNames = new Set<string>([metaKeys.run, metaKeys.step, metaKeys.attempt, metaKeys.key]);

export const isWait = ({ method, name }: CallInput): boolean =>
  method === "tools/call" && name === waitToolName;

/** The call that is waited for, as its caller made it, and as what it comes back. */
export interface AwaitedCall {
  readonly input: CallInput;
  readonly state: RequestState;
  readonly patienceMs: number;
}

/**
 * Waiting for a call is coming back for it: the waiting request becomes that call, at the first station, and goes through all of
 * them. Somebody else's call looks like a missing one.
 */
export async function awaitedCall(call: Authenticated, house: House): Promise<Result<AwaitedCall>> {
  const { call: id, seconds = waitSecondsDefault, ...rest } = call.input.arguments;
  const isTime = Number.isInteger(seconds) && Number(seconds) >= 1 && Number(seconds) <= waitSecondsMax;
  if (typeof id !== "string" || !isTime || Object.keys(rest).length > 0) {
    const detail = `give {"call": "<its id>"}, and perhaps "seconds" from 1 to ${waitSecondsMax}`;
    return refuse({ code: "invalid-arguments", detail });
  }
  const request = await house.approvals.ofCall(id as CallId); // any text may be looked for
  const owner = principalIds(call.principal).join(" ");
  if (request === null || request.tenant !== call.principal.tenant || request.principals.join(" ") !== owner)
    return refuse({ code: "invalid-arguments", detail: `no call of yes waits under ${JSON.stringify(id)}` });
  const asked = await house.ledger.entry(request.tenant, request.requestEntry);
  const opened = asked === null ? null : await house.ledger.payload(asked);
  if (asked === null || opened === null || opened.erased || opened.payload.arguments === undefined)
    return refuse({ code: "erased", detail: "what was asked for is not on record any more" });
  const { payload } = opened;
  const names = payload.note?.["names"] as Readonly<Record<string, unknown>>; // our own note
  const input: CallInput = {
    ...call.input,
    method: asked.entry.method as CallMethod, // of a call, which is one of these
    name: request.name,
    arguments: JSON.parse(payload.arguments ?? "{}") as CallInput["arguments"],
    meta: { ...othersOf(call.input.meta), ...names },
  };
  const state: RequestState = {
    call: request.call,
    salt: payload.salt ?? "",
    stepDigest: asked.entry.stepDigest ?? ("" as RequestState["stepDigest"]),
    names: "",
    intent: null,
    upstream: null,
    park: null,
    isForApproval: true,
  };
  return ok({ input, state, patienceMs: Number(seconds) * 1000 });
}
