import { Fault } from "../../base/index.ts";
import { NetFailure } from "../../net/index.ts";
import { bounded, Trouble } from "../trouble.ts";

const detailCharsMax = 200;

/**
 * What went wrong while getting a token, as a person should read it. Only an OAuth error's own code and description are quoted of
 * what a stranger said; other errors of the library can hold whole answers, and stay in the cause.
 */
export function oauthTrouble(doing: string, thrown: unknown): Trouble {
  if (thrown instanceof Trouble) return thrown;
  if (thrown instanceof Fault) return new Trouble("dependency", `${doing}: ${thrown.message}`, thrown);
  if (thrown instanceof NetFailure) {
    const cause =
      thrown.kind === "refused-address" || thrown.kind === "tls" ? "correctness" : ("dependency" as const);
    return new Trouble(cause, `${doing}: ${thrown.message}`, thrown);
  }
  return new Trouble("dependency", `${doing}: ${saidBy(thrown)}`, thrown);
}

/** The code of an OAuth error answer; null = it was something else. */
export function oauthErrorCode(thrown: unknown): string | null {
  const { name, code } = thrown instanceof Error ? (thrown as Error & { code?: unknown }) : {};
  return name === "OAuthError" && typeof code === "string" ? code : null;
}

function saidBy(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "it failed";
  const code = oauthErrorCode(thrown);
  if (code !== null) {
    const said = code === "server_error" ? "" : ` (${bounded(thrown.message).slice(0, detailCharsMax)})`;
    return `the authorization server answered ${bounded(code).slice(0, 60)}${said}`;
  }
  if (thrown.name === "IssuerMismatchError")
    return "the metadata or answer names another issuer than the one that was asked";
  const { status } = thrown as Error & { status?: unknown };
  if (thrown.name === "RegistrationRejectedError")
    return `the authorization server does not register us (HTTP ${Number(status)})`;
  if (thrown.name === "InsecureTokenEndpointError") return "its token endpoint is not https";
  if (thrown.name === "ZodError" || thrown instanceof SyntaxError)
    return "its answer is not what it should be";
  return bounded(thrown.message).slice(0, detailCharsMax);
}
