import type { InputProblem } from "./input-problem.ts";
import type { SecretText } from "./secret-text.ts";

/** How a client proves to an authorization server that it is the one it says (RFC 7523 names the algorithms of a key). */
export const oauthAlgorithms = ["ES256", "ES384", "RS256", "PS256", "EdDSA"] as const;
export type OAuthAlgorithm = (typeof oauthAlgorithms)[number];

/**
 * How Signalbox gets its own token for a server that wants one (MCP, basic/authorization). What is left out is found out from the
 * server; a client that was registered by hand belongs to one issuer and is shown to no other.
 */
export interface OAuthSettings {
  readonly kind: "oauth";
  /** `authorization-code` (default): a person consents once. `client-credentials`: Signalbox acts for itself. */
  readonly grant?: "authorization-code" | "client-credentials";
  /** The only authorization server whose tokens are used. Left out: the first that the server names. */
  readonly issuer?: string;
  /** A client registered by hand at `issuer`. Left out: Signalbox introduces itself. */
  readonly clientId?: string;
  readonly clientSecret?: SecretText;
  /** How the secret travels. Left out: as the authorization server prefers. */
  readonly secretMethod?: "basic" | "post";
  /** PKCS #8 PEM or JWK, for `private_key_jwt`; in place of a secret. */
  readonly privateKey?: SecretText;
  readonly algorithm?: OAuthAlgorithm;
  /** Asked for beyond what the server itself says. */
  readonly scopes?: readonly string[];
  /** `auto` (default): when the server or its metadata asks for proof of possession (RFC 9449). */
  readonly dpop?: "auto" | "always" | "never";
}

const scopesMax = 64;
/** RFC 6749, section 3.3; the length is ours. */
const scopePattern = /^[\u0021\u0023-\u005b\u005d-\u007e]{1,256}$/;
const clientIdPattern = /^[\u0020-\u007e]{1,2048}$/;

/** Everything that is wrong with the `auth` of a server; `headers` are the names of its fixed headers. */
export function oauthProblems(settings: OAuthSettings, headers: readonly string[]): readonly InputProblem[] {
  const problems: InputProblem[] = [];
  const add = (field: string, message: string): void => {
    problems.push({ path: ["transport", "auth", field], message });
  };
  const { issuer, clientId, clientSecret, privateKey, algorithm, secretMethod, scopes = [] } = settings;
  if (headers.some((name) => name.toLowerCase() === "authorization")) {
    problems.push({ path: ["transport", "headers"], message: "authorization is set by `auth`" });
  }
  if (issuer !== undefined) {
    const why = issuerProblem(issuer);
    if (why !== null) add("issuer", why);
  }
  if (clientId !== undefined) {
    if (!clientIdPattern.test(clientId)) add("clientId", "is not a client's id");
    // Without an issuer, whoever runs the server could choose to whom the client's secret is shown.
    if (issuer === undefined) add("clientId", "needs the issuer it is registered at");
  }
  if (clientSecret !== undefined && clientId === undefined) add("clientSecret", "needs a clientId");
  if (privateKey !== undefined && clientId === undefined) add("privateKey", "needs a clientId");
  if (clientSecret !== undefined && privateKey !== undefined)
    add("privateKey", "there is a clientSecret already");
  if (algorithm !== undefined && privateKey === undefined) add("algorithm", "needs a privateKey");
  if (privateKey !== undefined && algorithm === undefined) add("privateKey", "needs its algorithm");
  if (secretMethod !== undefined && clientSecret === undefined) add("secretMethod", "needs a clientSecret");
  if (settings.grant === "client-credentials" && clientSecret === undefined && privateKey === undefined) {
    add("grant", "client-credentials needs a clientId with a clientSecret or a privateKey");
  }
  if (scopes.length > scopesMax) add("scopes", `${scopes.length} scopes; ${scopesMax} are allowed`);
  for (const scope of scopes) if (!scopePattern.test(scope)) add("scopes", "contains what is not a scope");
  return problems;
}

function issuerProblem(issuer: string): string | null {
  if (issuer.length > 2_048 || !URL.canParse(issuer)) return "is not a URL";
  const url = new URL(issuer);
  if (url.protocol !== "https:" && !isLoopback(url)) return "must be https";
  if (url.search !== "" || url.hash !== "") return "has a query or a fragment, which no issuer has";
  return url.username === "" && url.password === "" ? null : "carries a user name or password";
}

const isLoopback = ({ protocol, hostname }: URL): boolean =>
  protocol === "http:" && /^(?:localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(hostname);
