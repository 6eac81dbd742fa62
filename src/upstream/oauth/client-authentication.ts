import { createPrivateKey } from "node:crypto";
import type { JsonWebKey } from "node:crypto";
import type { OAuthSettings } from "../../registry/index.ts";
import { Trouble } from "../trouble.ts";
import type { Sdk } from "./sdk.ts";

/** Adds the client's proof to a token request. */
export type Authenticate = Parameters<Sdk["refreshAuthorization"]>[1]["addClientAuthentication"];

export type ClientProof =
  | { readonly kind: "none" }
  | { readonly kind: "secret"; readonly secret: string; readonly method: "basic" | "post" }
  | {
      readonly kind: "private-key";
      readonly key: string;
      readonly algorithm: NonNullable<OAuthSettings["algorithm"]>;
    };

/** RFC 6749 section 2.3.1, RFC 7523 section 2.2. */
export function authenticateAs(sdk: Sdk, clientId: string, proof: ClientProof): NonNullable<Authenticate> {
  switch (proof.kind) {
    case "none":
      return (_headers, params) => params.set("client_id", clientId);
    case "secret":
      if (proof.method === "post") {
        return (_headers, params) => {
          params.set("client_id", clientId);
          params.set("client_secret", proof.secret);
        };
      }
      return (headers) => {
        // Both parts are form-encoded first, so that a colon in an id stays where it is.
        const pair = `${formEncoded(clientId)}:${formEncoded(proof.secret)}`;
        headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
      };
    case "private-key":
      return sdk.createPrivateKeyJwtAuth({
        issuer: clientId,
        subject: clientId,
        privateKey: { ...jwkOf(proof.key) },
        alg: proof.algorithm,
        lifetimeSeconds: assertionSeconds,
      });
  }
}

/** An assertion is used at once; the rest is for clocks that differ. */
const assertionSeconds = 60;

const formEncoded = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2);

/** A PKCS #8 PEM or a JWK. Never quotes it. */
function jwkOf(text: string): JsonWebKey {
  try {
    return text.trimStart().startsWith("{")
      ? (JSON.parse(text) as JsonWebKey)
      : createPrivateKey(text).export({ format: "jwk" });
  } catch {
    throw new Trouble("correctness", "the private key of the client is neither a PKCS #8 PEM nor a JWK");
  }
}
