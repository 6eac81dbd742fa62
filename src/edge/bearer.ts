import type { Refusal } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";

/**
 * The token of an Authorization header; null = there is no such header. Nowhere else is a token looked for: one in a URL ends up
 * in logs and referrers (RFC 6750 section 2.3, and MCP forbids it).
 */
export function bearerToken(header: string | undefined, charsMax: number): Result<string | null> {
  if (header === undefined) return ok(null);
  if (header.length > charsMax + 7) return bad(`The token is longer than ${charsMax} characters.`);
  // The scheme is case-insensitive (RFC 9110 section 11.1), the token is not.
  if (header.length < 8 || header.slice(0, 7).toLowerCase() !== "bearer ")
    return bad("Only Bearer is accepted.");
  const token = header.slice(7).trim();
  return tokenForm.test(token) ? ok(token) : bad("The token has characters that no token has.");
}

/** RFC 6750 section 2.1, b68token. */
const tokenForm = /^[A-Za-z0-9\-._~+/]+=*$/;

const bad = (detail: string): Result<never> => refuse<Refusal>({ code: "unauthenticated", detail });
