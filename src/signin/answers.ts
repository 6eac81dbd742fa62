import type { SignInAnswer } from "../edge/index.ts";
import type { OAuthError, OAuthProblem } from "./problem.ts";

/** Tokens, codes and what led to them are kept by nobody on the way. */
const noStore = ["Cache-Control", "no-store"] as const;

export const json = (status: number, value: unknown, headers: readonly string[] = []): SignInAnswer => ({
  status,
  contentType: "application/json",
  text: JSON.stringify(value),
  headers: [...noStore, ...headers],
});

/** RFC 6749 section 5.2. `challenge`: the client has tried by HTTP authentication. */
export function problemAnswer({ error, description }: OAuthProblem, challenge = false): SignInAnswer {
  const headers =
    challenge && error === "invalid_client" ? ["WWW-Authenticate", 'Basic realm="signalbox"'] : [];
  return json(statusOf(error), { error, error_description: description }, headers);
}

export const notAllowed = (method: string): SignInAnswer => ({
  ...json(405, { error: "invalid_request", error_description: `Use ${method}.` }),
  headers: [...noStore, "Allow", method],
});

/** 303: whatever the browser did before, it only looks next, and never sends a form on. */
export const sentOn = (location: string): SignInAnswer => ({
  status: 303,
  contentType: "text/plain; charset=utf-8",
  text: "",
  headers: [...noStore, "Location", location, "Referrer-Policy", "no-referrer"],
});

function statusOf(error: OAuthError): number {
  switch (error) {
    case "invalid_client":
      return 401;
    case "temporarily_unavailable":
      return 503;
    case "server_error":
      return 500;
    case "invalid_request":
    case "invalid_grant":
    case "unsupported_grant_type":
    case "unsupported_response_type":
    case "invalid_scope":
    case "invalid_target":
    case "access_denied":
    case "invalid_redirect_uri":
    case "invalid_client_metadata":
      return 400;
  }
}
