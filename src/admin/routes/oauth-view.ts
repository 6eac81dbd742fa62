import type { OAuthSettings, SecretText } from "../../registry/index.ts";
import { oauthAlgorithms } from "../../registry/index.ts";
import type { Schema, Shape } from "../../api/index.ts";
import { listOf, objectWith, text } from "../../api/index.ts";

/** How Signalbox gets its own token for a server; `secret` is the form of its two secrets. */
export const oauthSettings = <const S extends Schema>(secret: S) =>
  objectWith(["kind"], {
    kind: { const: "oauth" },
    grant: {
      enum: ["authorization-code", "client-credentials"],
      description: "whose consent: a person's, once (default), or nobody's",
    },
    issuer: { ...text, description: "the only authorization server whose tokens are used" },
    clientId: { ...text, description: "a client registered at `issuer` by hand" },
    clientSecret: secret,
    secretMethod: { enum: ["basic", "post"], description: "how the secret travels" },
    privateKey: secret,
    algorithm: { enum: oauthAlgorithms },
    scopes: listOf(text, 64),
    dpop: { enum: ["auto", "always", "never"], description: "proof of possession, RFC 9449" },
  });

type ShownSecret = { readonly vault: string } | { readonly hidden: number };

const shownSecret = {
  oneOf: [
    objectWith(["vault"], { vault: text }),
    objectWith(["hidden"], {
      hidden: { type: "integer", description: "a literal of so many characters, which is a secret" },
    }),
  ],
} as const;

export const shownOAuthSettings = oauthSettings(shownSecret);

/** Where a secret comes from, never the secret. */
export function oauthView(settings: OAuthSettings): Shape<typeof shownOAuthSettings> {
  const { clientSecret, privateKey, ...rest } = settings;
  return {
    ...rest,
    ...(clientSecret === undefined ? {} : { clientSecret: secretView(clientSecret) }),
    ...(privateKey === undefined ? {} : { privateKey: secretView(privateKey) }),
  };
}

const secretView = (secret: SecretText): ShownSecret =>
  "vault" in secret ? secret : { hidden: secret.literal.length };
