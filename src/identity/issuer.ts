import type { Result, WallMs } from "../base/index.ts";
import type { Directory, Standing } from "./directory.ts";
import type { TokenScope } from "./scopes.ts";

/** What a verified token says, in our words. Signature, type, audience and times have been checked. */
export interface VerifiedToken {
  readonly issuer: string;
  readonly subject: string;
  readonly expiresAt: WallMs;
  /** What the token is limited to; left out = nothing. What a foreign issuer calls scopes may mean something else there. */
  readonly scopes?: readonly TokenScope[];
  /** The issuer's other claims, for its own `principal` to read. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Who a verified token stands for.
 *  found    `epoch` is the one the token was made in; null when the issuer knows no epochs
 *  unknown  nobody here
 */
export type Subject =
  | { readonly kind: "found"; readonly standing: Standing; readonly epoch: number | null }
  | { readonly kind: "unknown" };

/**
 * A source of tokens. `issuer` is compared with the token's `iss` as a plain string, never normalised. `verify` must check
 * everything but the principal and never throws for what a stranger sent. `principal` maps to someone in the directory, and is
 * asked again whenever that someone changed.
 */
export interface Issuer {
  readonly issuer: string;
  verify(token: string): Promise<Result<VerifiedToken>>;
  principal(token: VerifiedToken, directory: Directory): Subject;
}
