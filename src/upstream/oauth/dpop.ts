import type { JsonWebKey } from "node:crypto";
import type { Sdk } from "./sdk.ts";

export type DpopSession = Awaited<ReturnType<Sdk["DpopSession"]["create"]>>;

/** The one algorithm every implementation of RFC 9449 has. */
const algorithm = "ES256";

export interface DpopKey {
  readonly session: DpopSession;
  /** To be kept beside the tokens that are bound to it. */
  readonly key: JsonWebKey;
}

/** A key pair for proofs of possession: the kept one, or a new one. It can be exported, because tokens outlive the process. */
export async function dpopKey(sdk: Sdk, kept: JsonWebKey | null): Promise<DpopKey> {
  const { subtle } = globalThis.crypto;
  const curve = { name: "ECDSA", namedCurve: "P-256" } as const;
  const privateKey =
    kept === null
      ? (await subtle.generateKey(curve, true, ["sign", "verify"])).privateKey
      : await subtle.importKey("jwk", kept, curve, true, ["sign"]);
  const { kty, crv, x, y, d } = kept ?? (await subtle.exportKey("jwk", privateKey));
  const publicJwk = { kty: String(kty), crv: String(crv), x: String(x), y: String(y) };
  const publicKey = await subtle.importKey("jwk", publicJwk, curve, true, ["verify"]);
  // The thumbprint is for those who compare it; proofs carry the key itself.
  const keyPair = { privateKey, publicKey, publicJwk, thumbprint: "", alg: algorithm } as const;
  return { session: await sdk.DpopSession.create({ keyPair }), key: { ...publicJwk, d: String(d) } };
}
