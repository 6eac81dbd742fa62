import type { KeyObject } from "node:crypto";
import { createPublicKey } from "node:crypto";
import type { Clock, Random, Result, WallMs } from "../base/index.ts";
import { faultFrom, msOf, newId, ok, plusMs, wallMs } from "../base/index.ts";
import type { Directory } from "./directory.ts";
import type { Issuer, Subject, VerifiedToken } from "./issuer.ts";
import { clockAheadMaxMs, clockLeewayMs, tokenTtlMaxMs } from "./limits.ts";
import type { PrincipalId } from "./principal.ts";
import type { PrincipalRecord } from "./records.ts";
import { tokenExpired, unauthenticated } from "./refusals.ts";
import type { TokenScope } from "./scopes.ts";
import { scopesIn } from "./scopes.ts";
import { jose } from "./jose.ts";

/** What this room needs of `keys`. */
export interface Signer {
  sign(name: "issuer", bytes: Uint8Array): Uint8Array;
  publicKey(name: "issuer"): { readonly raw: Uint8Array; readonly spkiDer: Uint8Array; readonly kid: string };
}

export interface IssuedToken {
  readonly token: string;
  readonly jti: string;
  readonly principal: PrincipalId;
  readonly expiresAt: WallMs;
}

/** RFC 7517, for publication. */
export interface Jwks {
  readonly keys: readonly Readonly<Record<"kty" | "crv" | "x" | "kid" | "alg" | "use", string>>[];
}

export interface BuiltInIssuerOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly random: Random;
}

// RFC 9068: says what the token is for, so that no other JWT of ours can ever pass as one.
const tokenType = "at+jwt";
const algorithm = "EdDSA";

/** Short-lived tokens of our own: compact JWS, Ed25519, one fixed algorithm. */
export class BuiltInIssuer implements Issuer {
  readonly issuer: string;
  private readonly audience: string;
  private readonly signer: Signer;
  private readonly clock: Clock;
  private readonly random: Random;
  private verifying: { readonly kid: string; readonly key: KeyObject } | null = null;

  constructor(options: BuiltInIssuerOptions) {
    this.issuer = options.issuer;
    this.audience = options.audience;
    this.signer = options.signer;
    this.clock = options.clock;
    this.random = options.random;
  }

  /** The caller has checked that the principal is enabled and that `ttlMs` is within bounds. `scopes` null = not limited. */
  issue(record: PrincipalRecord, ttlMs: number, scopes: readonly TokenScope[] | null): IssuedToken {
    const now = this.clock.wall();
    const iat = Math.floor(msOf(now) / 1000);
    const exp = Math.floor((msOf(now) + ttlMs) / 1000);
    const jti = newId("tok", now, this.random);
    const header = { alg: algorithm, typ: tokenType, kid: this.signer.publicKey("issuer").kid };
    const claims = {
      iss: this.issuer,
      sub: record.id,
      aud: this.audience,
      tenant: record.tenant,
      iat,
      exp,
      jti,
      ver: record.epoch,
      ...(scopes === null ? {} : { scope: scopes.join(" ") }),
    };
    const signed = `${base64url(header)}.${base64url(claims)}`;
    const signature = Buffer.from(this.signer.sign("issuer", Buffer.from(signed))).toString("base64url");
    return { token: `${signed}.${signature}`, jti, principal: record.id, expiresAt: wallMs(exp * 1000) };
  }

  async verify(token: string): Promise<Result<VerifiedToken>> {
    const now = this.clock.wall();
    try {
      const { payload } = await jose().jwtVerify(token, (header) => this.keyNamed(header.kid), {
        algorithms: [algorithm],
        typ: tokenType,
        issuer: this.issuer,
        audience: this.audience,
        requiredClaims: ["sub", "exp", "iat", "jti", "tenant", "ver"],
        clockTolerance: clockLeewayMs / 1000,
        currentDate: new Date(msOf(now)),
      });
      const { sub, iat, exp, jti, tenant, ver, scope } = payload;
      const wellFormed =
        typeof sub === "string" &&
        typeof iat === "number" &&
        typeof exp === "number" &&
        typeof jti === "string" &&
        typeof tenant === "string" &&
        (scope === undefined || typeof scope === "string") &&
        Number.isSafeInteger(ver);
      // Acting for others comes with a later version of these tokens. Reading one as if its bearer acted for itself would widen
      // rights, so it is refused until then.
      if (!wellFormed || "act" in payload) return unauthenticated("not-valid");
      const ageMs = msOf(now) - iat * 1000;
      if (ageMs > tokenTtlMaxMs + clockLeewayMs) return tokenExpired;
      // Another node of ours made it, by its own clock; a token of ours that is from further ahead is from a clock that is wrong.
      if (ageMs < -clockAheadMaxMs) return unauthenticated("not-valid");
      const expiresAt = plusMs(wallMs(exp * 1000), clockLeewayMs);
      return ok({
        issuer: this.issuer,
        subject: sub,
        expiresAt,
        claims: { tenant, ver },
        ...(scope === undefined ? {} : { scopes: scopesIn(scope) }),
      });
    } catch (thrown) {
      // jose checks the signature before the claims: only a token of ours can be "expired".
      const { errors } = jose();
      if (thrown instanceof errors.JWTExpired) return tokenExpired;
      if (thrown instanceof errors.JOSEError) return unauthenticated("not-valid");
      throw faultFrom(thrown, "verifying a token");
    }
  }

  principal(token: VerifiedToken, directory: Directory): Subject {
    const standing = directory.standing(token.subject as PrincipalId); // any string may be looked up
    if (standing === null || standing.record.tenant !== token.claims["tenant"]) return { kind: "unknown" };
    return { kind: "found", standing, epoch: token.claims["ver"] as number }; // checked in verify
  }

  jwks(): Jwks {
    const { raw, kid } = this.signer.publicKey("issuer");
    const x = Buffer.from(raw).toString("base64url");
    return { keys: [{ kty: "OKP", crv: "Ed25519", x, kid, alg: algorithm, use: "sig" }] };
  }

  private keyNamed(kid: string | undefined): KeyObject {
    const current = this.signer.publicKey("issuer");
    if (kid !== current.kid) throw new (jose().errors.JWKSNoMatchingKey)();
    if (this.verifying?.kid !== kid) {
      const key = createPublicKey({ key: Buffer.from(current.spkiDer), format: "der", type: "spki" });
      this.verifying = { kid, key };
    }
    return this.verifying.key;
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
