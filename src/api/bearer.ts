import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";

/** The longest token that `identity` looks at, and "Bearer ". */
const headerCharactersMax = 8_192 + 7;

/** The token of the Authorization header, RFC 6750 section 2.1. Tokens are read from nowhere else. */
export function bearerToken(header: string | undefined): Result<string> {
  if (header === undefined) return missing;
  const token =
    header.length > headerCharactersMax
      ? undefined
      : /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(header)?.[1];
  return token === undefined ? malformed : ok(token);
}

const missing: Result<never> = refuse({
  code: "unauthenticated" as const,
  detail: "There is no Authorization header.",
});

const malformed: Result<never> = refuse({
  code: "unauthenticated" as const,
  detail: "The Authorization header is not of the form: Bearer <token>.",
});
