import type { Result } from "../base/index.ts";
import { refuse } from "../base/index.ts";

/** All that the endpoints answer when they say no: RFC 6749 sections 4.1.2.1 and 5.2, RFC 7591 section 3.2.2, RFC 8707 section 2. */
export type OAuthError =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "unsupported_grant_type"
  | "unsupported_response_type"
  | "invalid_scope"
  | "invalid_target"
  | "access_denied"
  | "invalid_redirect_uri"
  | "invalid_client_metadata"
  | "temporarily_unavailable"
  | "server_error";

/** `description` is for the developer of the client: ASCII without quotes and backslashes (RFC 6749 section 5.2). */
export interface OAuthProblem {
  readonly error: OAuthError;
  readonly description: string;
}

export type Judged<T> = Result<T, OAuthProblem>;

export const problem = (
  error: OAuthError,
  description: string,
): { readonly ok: false; readonly refusal: OAuthProblem } => refuse({ error, description });

export const notNow = problem(
  "temporarily_unavailable",
  "Nothing can be written down at the moment, so nothing is issued.",
);
