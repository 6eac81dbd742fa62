import type { Command } from "commander";
import { usage } from "../exit.ts";
import { collect, oneOf } from "../session.ts";

/** How a server reached by URL lets Signalbox in; shared by `servers add` and `servers change`. */
export interface OAuthOptions {
  readonly auth?: string;
  readonly oauthGrant?: string;
  readonly oauthIssuer?: string;
  readonly oauthClient?: string;
  readonly oauthSecret?: string;
  readonly oauthSecretMethod?: string;
  readonly oauthKey?: string;
  readonly oauthAlgorithm?: string;
  readonly oauthScope?: readonly string[];
  readonly oauthDpop?: string;
}

export function addOAuthOptions(command: Command): Command {
  return command
    .option("--auth <kind>", "oauth: Signalbox gets a token of its own for --upstream")
    .option("--oauth-grant <grant>", "authorization-code or client-credentials (authorization-code)")
    .option("--oauth-issuer <url>", "the only authorization server to use (the one the server names)")
    .option("--oauth-client <id>", "a client registered at --oauth-issuer by hand")
    .option("--oauth-secret <value>", "its secret, as ${vault:name}")
    .option("--oauth-secret-method <method>", "basic or post (as the authorization server says)")
    .option("--oauth-key <value>", "its private key, as ${vault:name}, in place of a secret")
    .option("--oauth-algorithm <name>", "how the key signs: ES256, ES384, RS256, PS256 or EdDSA")
    .option("--oauth-scope <scope>", "a scope to ask for beyond what the server says; repeatable", collect)
    .option("--oauth-dpop <when>", "proof of possession: auto, always or never (auto)");
}

/** Null = nothing was said about it. */
export function authFrom(options: OAuthOptions): Readonly<Record<string, unknown>> | null {
  const said = Object.keys(options).filter((name) => name.startsWith("oauth"));
  if (options.auth === undefined) {
    if (said.length > 0) throw usage("The --oauth options belong to --auth oauth.");
    return null;
  }
  oneOf("--auth", options.auth, ["oauth"]);
  const { oauthGrant, oauthIssuer, oauthClient, oauthSecret, oauthSecretMethod } = options;
  const { oauthKey, oauthAlgorithm, oauthScope, oauthDpop } = options;
  return {
    kind: "oauth",
    ...(oauthGrant === undefined
      ? {}
      : { grant: oneOf("--oauth-grant", oauthGrant, ["authorization-code", "client-credentials"]) }),
    ...(oauthIssuer === undefined ? {} : { issuer: oauthIssuer }),
    ...(oauthClient === undefined ? {} : { clientId: oauthClient }),
    ...(oauthSecret === undefined ? {} : { clientSecret: vaultReference("--oauth-secret", oauthSecret) }),
    ...(oauthSecretMethod === undefined
      ? {}
      : { secretMethod: oneOf("--oauth-secret-method", oauthSecretMethod, ["basic", "post"]) }),
    ...(oauthKey === undefined ? {} : { privateKey: vaultReference("--oauth-key", oauthKey) }),
    ...(oauthAlgorithm === undefined
      ? {}
      : {
          algorithm: oneOf("--oauth-algorithm", oauthAlgorithm, [
            "ES256",
            "ES384",
            "RS256",
            "PS256",
            "EdDSA",
          ]),
        }),
    ...(oauthScope === undefined ? {} : { scopes: oauthScope }),
    ...(oauthDpop === undefined
      ? {}
      : { dpop: oneOf("--oauth-dpop", oauthDpop, ["auto", "always", "never"]) }),
  };
}

/** Other processes can read arguments, so a secret itself is not taken here. */
function vaultReference(option: string, text: string): { readonly vault: string } {
  const vault = /^\$\{vault:([^}]+)\}$/.exec(text)?.[1];
  if (vault === undefined)
    throw usage(`${option} takes a reference: put it into the vault and write \${vault:name}.`);
  return { vault };
}
