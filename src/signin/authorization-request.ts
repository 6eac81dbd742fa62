import type { Sha256Hex } from "../base/index.ts";
import { ok, sha256Hex } from "../base/index.ts";
import { stateCharsMax } from "./bounds.ts";
import type { Client, Clients } from "./clients.ts";
import type { Fields } from "./fields.ts";
import { resourceOf } from "./metadata.ts";
import type { Judged, OAuthProblem } from "./problem.ts";
import { problem } from "./problem.ts";
import { isRegistered } from "./redirect-uri.ts";
import type { OfferedScope } from "./scopes.ts";
import { readScope } from "./scopes.ts";

/** By the digest of its id, which may be long. */
export interface AskingClient extends Pick<Client, "name" | "vouchedBy"> {
  readonly idDigest: Sha256Hex;
}

/** Where an answer goes: to an address that the client has named before. */
export interface WayBack {
  readonly client: AskingClient;
  readonly redirectUri: string;
  /** The client's own, given back to it as it is; null = it sent none. */
  readonly state: string | null;
}

/** A request that a person may say yes to. */
export interface AuthorizationRequest extends WayBack {
  /** Of the verifier, by S256. */
  readonly challenge: string;
  readonly resource: string;
  readonly scopes: readonly OfferedScope[];
}

/**
 * Until client and address are known to belong together, what is wrong is only shown (RFC 6749 section 4.1.2.1): an answer sent
 * to the address would make us send browsers wherever somebody likes.
 */
export async function findWayBack(fields: Fields, clients: Clients): Promise<Judged<WayBack>> {
  const clientId = fields.get("client_id");
  if (clientId === undefined) return problem("invalid_request", "client_id is missing.");
  const client = await clients.find(clientId);
  if (!client.ok) return client;
  const redirectUri = fields.get("redirect_uri");
  if (redirectUri === undefined) return problem("invalid_request", "redirect_uri is missing.");
  if (!isRegistered(redirectUri, client.value.redirectUris))
    return problem("invalid_request", "redirect_uri is not one that this client has named.");
  const state = fields.get("state") ?? null;
  // RFC 6749 appendix A.5: visible ASCII and blanks.
  if (state !== null && (state.length > stateCharsMax || !/^[\x20-\x7e]+$/.test(state)))
    return problem("invalid_request", `state may have ${stateCharsMax} characters of visible ASCII.`);
  const { id, name, vouchedBy } = client.value;
  return ok({ client: { idDigest: sha256Hex(id), name, vouchedBy }, redirectUri, state });
}

/** What is wrong here, the client is told. */
export function readRequest(fields: Fields, back: WayBack, base: string): Judged<AuthorizationRequest> {
  if (fields.get("response_type") !== "code")
    return problem("unsupported_response_type", "response_type has to be code.");
  for (const name of ["request", "request_uri"])
    if (fields.has(name)) return problem("invalid_request", `${name} is not supported.`);
  const challenge = fields.get("code_challenge") ?? "";
  // PKCE is what ties a code to its client, which has no secret; `plain`, which is the default, ties nothing.
  if (fields.get("code_challenge_method") !== "S256" || !/^[A-Za-z0-9_-]{43}$/.test(challenge))
    return problem("invalid_request", "PKCE is needed: code_challenge with code_challenge_method S256.");
  const resource = resourceOf(base);
  // Clients from before RFC 8707 leave it out. All tokens from here are for this one resource.
  if ((fields.get("resource") ?? resource) !== resource)
    return problem("invalid_target", `Tokens from here are for ${resource} alone.`);
  const scopes = readScope(fields.get("scope"));
  return scopes.ok ? ok({ ...back, challenge, resource, scopes: scopes.value }) : scopes;
}

/** RFC 9207: each answer says from whom it is, so that a client that talks to several takes none for another's. */
export const answerOf = (
  { state }: WayBack,
  base: string,
  said: { readonly code: string } | OAuthProblem,
): Readonly<Record<string, string>> => ({
  ...("code" in said ? said : { error: said.error, error_description: said.description }),
  ...(state === null ? {} : { state }),
  iss: base,
});
