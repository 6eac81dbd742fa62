import { ok } from "../base/index.ts";
import { clientNameCharsMax, redirectCharsMax, redirectUrisMax } from "./bounds.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";
import { destinationOf } from "./redirect-uri.ts";

/** What a program says about itself. Nobody has checked any of it. */
export interface ClientClaims {
  /** Null = it says none. */
  readonly name: string | null;
  readonly redirectUris: readonly string[];
}

/** Members of RFC 7591 section 2 that mean something here; others are left alone. */
export type ClientMetadata = Readonly<Record<string, unknown>>;

/** What counts of a client's metadata, registered or published. A client here is public: it has no secret, and PKCE takes its place. */
export function claimsIn(metadata: ClientMetadata): Judged<ClientClaims> {
  const redirectUris = metadata["redirect_uris"];
  if (!isTexts(redirectUris) || redirectUris.length === 0 || redirectUris.length > redirectUrisMax)
    return problem(
      "invalid_redirect_uri",
      `redirect_uris has to be a list of 1 to ${redirectUrisMax} addresses.`,
    );
  if (redirectUris.some((uri) => destinationOf(uri) === null))
    return problem(
      "invalid_redirect_uri",
      "Each redirect URI has to be https, http on localhost, 127.0.0.1 or [::1], or of a scheme of your own with a slash behind it, without a fragment, and without code, state, iss or error in its query.",
    );
  if (redirectUris.join("").length > redirectCharsMax)
    return problem("invalid_redirect_uri", `Together they may have ${redirectCharsMax} characters.`);
  const { client_name: name, grant_types: grants, response_types: responses } = metadata;
  if (name !== undefined && typeof name !== "string")
    return problem("invalid_client_metadata", "client_name has to be a text.");
  if (grants !== undefined && !(isTexts(grants) && grants.includes("authorization_code")))
    return problem("invalid_client_metadata", "grant_types has to contain authorization_code.");
  if (responses !== undefined && !(isTexts(responses) && responses.includes("code")))
    return problem("invalid_client_metadata", "response_types has to contain code.");
  return ok({ name: nameOf(name ?? ""), redirectUris });
}

/** Cut by whole characters. */
function nameOf(name: string): string | null {
  const [...characters] = name.trim().slice(0, 4 * clientNameCharsMax);
  return characters.slice(0, clientNameCharsMax).join("") || null;
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");

/** A JSON object, and not a list or null. */
export const isMetadata = (value: unknown): value is ClientMetadata =>
  typeof value === "object" && value !== null && !Array.isArray(value);
