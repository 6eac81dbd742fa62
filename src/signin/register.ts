import type { SignInAnswer, SignInRequest } from "../edge/index.ts";
import { msOf, parseStrictBytes } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { json, problemAnswer } from "./answers.ts";
import { claimsIn, isMetadata } from "./client-claims.ts";
import type { Clients } from "./clients.ts";
import { problem } from "./problem.ts";
import { offeredScopes } from "./scopes.ts";

/**
 * RFC 7591, without a register: anybody may, and nothing is kept. What the client wanted and does not get is replaced in the answer, as
 * section 3.2.1 has it: it is a public client, and has no refresh tokens.
 */
export async function register(
  request: SignInRequest,
  { clients, clock }: { readonly clients: Clients; readonly clock: Clock },
): Promise<SignInAnswer> {
  const isJson = /^application\/json\s*(?:;|$)/i.test(request.headers["content-type"] ?? "");
  const parsed = isJson ? parseStrictBytes(request.body) : null;
  if (parsed === null || !parsed.ok || !isMetadata(parsed.value))
    return problemAnswer(
      problem("invalid_client_metadata", "Send a JSON object as application/json.").refusal,
    );
  const metadata = parsed.value;
  const claims = claimsIn(metadata);
  if (!claims.ok) return problemAnswer(claims.refusal);
  const { name, redirectUris } = claims.value;
  const kind = metadata["application_type"];
  return json(201, {
    client_id: await clients.newId(claims.value),
    client_id_issued_at: Math.floor(msOf(clock.wall()) / 1000),
    ...(name === null ? {} : { client_name: name }),
    redirect_uris: redirectUris,
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
    scope: offeredScopes.join(" "),
    ...(kind === "native" || kind === "web" ? { application_type: kind } : {}),
  });
}
