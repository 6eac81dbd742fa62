import { hash, timingSafeEqual } from "node:crypto";
import type { Random, Sha256Hex, StoreMs } from "../base/index.ts";
import { elapsedMs, msOf, ok, plusMs, sha256Hex, storeMs } from "../base/index.ts";
import type { ApiKeyId, KeyHolding, PrincipalId, TenantId } from "../identity/index.ts";
import type { Store, Write } from "../store/index.ts";
import { wakeUp } from "../store/index.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";
import { codeMs, forgottenAtOnceMax, spentKeptMs } from "./bounds.ts";
import type { Fields } from "./fields.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";
import type { OfferedScope } from "./scopes.ts";
import type { Seals } from "./seals.ts";

/** All that a code stands for. It is sealed into the code itself, so nothing is kept until it is spent. */
export interface Code {
  readonly id: string;
  readonly client: Sha256Hex;
  /** For the ledger. */
  readonly clientName: string | null;
  readonly clientHost: string | null;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly resource: string;
  readonly scopes: readonly OfferedScope[];
  readonly tenant: TenantId;
  readonly principal: PrincipalId;
  readonly epoch: number;
  readonly key: ApiKeyId;
  /** By the store's clock, which all nodes share. */
  readonly expiresAt: number;
}

export function codeFor(
  request: AuthorizationRequest,
  { record, key }: KeyHolding,
  { now, random }: { readonly now: StoreMs; readonly random: Random },
): Code {
  return {
    id: Buffer.from(random.bytes(16)).toString("base64url"),
    client: request.client.idDigest,
    clientName: request.client.name,
    clientHost: request.client.vouchedBy,
    redirectUri: request.redirectUri,
    challenge: request.challenge,
    resource: request.resource,
    scopes: request.scopes,
    tenant: record.tenant,
    principal: record.id,
    epoch: record.epoch,
    key: key.id,
    expiresAt: msOf(plusMs(now, codeMs)),
  };
}

/** Whether whoever brings it is whom it was given to. Until all of it fits, the code is not spent: a thief without the verifier ends nothing. */
export async function presentedCode(
  fields: Fields,
  { seals, now }: { readonly seals: Seals; readonly now: () => Promise<StoreMs> },
): Promise<Judged<Code>> {
  const text = fields.get("code");
  const clientId = fields.get("client_id");
  const verifier = fields.get("code_verifier");
  if (text === undefined || clientId === undefined || verifier === undefined)
    return problem("invalid_request", "code, client_id and code_verifier are needed.");
  const code = (await seals.open("code", text)) as Code | null; // sealed from a Code
  if (code === null || elapsedMs(storeMs(code.expiresAt), await now()) <= 0) return notGood;
  if (code.client !== sha256Hex(clientId)) return notGood;
  // OAuth 2.1 leaves it out here, 2.0 repeats it.
  if ((fields.get("redirect_uri") ?? code.redirectUri) !== code.redirectUri) return notGood;
  if (!isVerifier(verifier, code.challenge)) return notGood;
  if ((fields.get("resource") ?? code.resource) !== code.resource)
    return problem("invalid_target", "The code was given for another resource.");
  return ok(code);
}

/** RFC 7636 section 4.6. */
function isVerifier(verifier: string, challenge: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false;
  const made = Buffer.from(hash("sha256", verifier, "base64url"));
  return timingSafeEqual(made, Buffer.from(challenge)); // both have 43 characters
}

/** One text for all: which of it did not fit is for nobody who only tries. */
export const notGood = problem(
  "invalid_grant",
  "The code is not good here: it was used, is older than a minute, or belongs to another client, address or verifier.",
);

const topic = "signin/spent";

/**
 * Makes the code spent in the transaction that it stands in, whose guard fails when it was spent before: on any node, also by one that has
 * died since. The row is a wake-up for when it may be forgotten: not as soon as the code is too old, for somebody who has found it good
 * the moment before may be about to spend it again.
 */
export const spend = ({ id, expiresAt }: Code): Write =>
  wakeUp(topic, id, plusMs(storeMs(expiresAt), spentKeptMs));

/** Called with each code that is spent, so what is left lying is never more than the codes of some ten minutes. */
export const forgetSpent = (store: Pick<Store, "takeDueWakeUps">): Promise<unknown> =>
  store.takeDueWakeUps(topic, forgottenAtOnceMax);
