import { canonicalJson, commitment } from "../base/index.ts";
import type { OpenCall } from "../ledger/index.ts";
import { identicalOpenCall, stepDigest } from "../ledger/index.ts";
import type { House } from "./house.ts";
import { intentOf } from "./intent-of.ts";
import { principalIds } from "./principal-ids.ts";
import { saltOfRequest } from "./salts.ts";
import type { Approved, Authorised } from "./stages.ts";
import type { Stop } from "./station.ts";
import { refused } from "./station.ts";

/** Under the tenant's key, so that the column says nothing about the arguments to whoever reads the database. */
export async function sameness(call: Authorised, house: House): Promise<string> {
  const key = await house.keys.scopeKey(`same/${call.principal.tenant}`);
  const identity = canonicalJson([call.input.method, call.subject.id, call.run?.record.run ?? null]);
  return house.keys.hmac(key, `${identity}${call.argumentsText}`).toString("base64");
}

/**
 * A call without step or key that asks for the same as one of its principal's that waits for approval comes back for that one: from
 * here on it is that call. Null = go on, as this call or as that one. A stop = the other one is under way.
 */
export async function takeOverIdentical(call: Approved, house: House): Promise<Stop | null> {
  const same = await sameness(call, house);
  const { tenant, id } = call.principal;
  const open = await identicalOpenCall(house.store, tenant, id, same);
  if (open === null) return null;
  const request = open.state === "pending" ? await house.approvals.ofCall(open.call) : null;
  const isOurs = request?.principals.join(" ") === principalIds(call.principal).join(" ");
  if (request === null || !isOurs) return refused(identicalOpen(call, open));
  const salt = await saltOfRequest(request, house);
  if (salt === null) return refused({ code: "erased", detail: "its arguments cannot be compared any more" });
  const argumentsCommitment = commitment(salt, call.argumentsText);
  const digests = {
    argumentsCommitment,
    stepDigest: stepDigest({
      method: call.input.method,
      serverId: call.subject.server.id,
      name: call.subject.name,
      argumentsCommitment,
    }),
  };
  Object.assign(call, { id: open.call, waiting: open, salt, ...digests });
  Object.assign(call, { intentDigest: intentOf(call) });
  return null;
}

export const identicalOpen = (call: Authorised, other: OpenCall) =>
  ({
    code: "identical-call-open",
    detail: `see call ${other.call}; name a run and step, or a key, to make repeats of ${call.subject.exposedName} safe`,
    evidence: { tool: call.subject.id, call: other.call, state: other.state },
  }) as const;
