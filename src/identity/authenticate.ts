import type { Clock, Result, Sha256Hex } from "../base/index.ts";
import { elapsedMs, ok, plusMs, sha256Hex } from "../base/index.ts";
import { looksLikeApiKey } from "./api-key.ts";
import type { Directory, Standing } from "./directory.ts";
import type { Issuer, Subject, VerifiedToken } from "./issuer.ts";
import { cachedTokenMs, cachedTokensMax, tokenCharsMax, verificationsMax } from "./limits.ts";
import type { Principal } from "./principal.ts";
import { principalDisabled, tokenExpired, tooManyVerifications, unauthenticated } from "./refusals.ts";
import { TokenCache } from "./token-cache.ts";
import { jose } from "./jose.ts";

export interface AuthenticatorOptions {
  readonly clock: Clock;
  readonly directory: Directory;
  readonly issuers: readonly Issuer[];
  /** Reads what other nodes changed. */
  readonly refresh: () => Promise<void>;
}

/**
 * Turns what came in the Authorization header into a principal. Keys and remembered tokens are answered at once; a token seen for
 * the first time costs one signature check. Every answer looks at the principal as it stands now, so a change here takes effect
 * with the next request, remembered token or not.
 */
export class Authenticator {
  hits = 0;
  misses = 0;
  private readonly clock: Clock;
  private readonly directory: Directory;
  private readonly issuers: ReadonlyMap<string, Issuer>;
  private readonly refresh: () => Promise<void>;
  private readonly cache = new TokenCache(cachedTokensMax);
  private readonly verifying = new Map<Sha256Hex, Promise<Result<Principal>>>();

  constructor(options: AuthenticatorOptions) {
    this.clock = options.clock;
    this.directory = options.directory;
    this.issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, issuer]));
    this.refresh = options.refresh;
  }

  get cachedTokens(): number {
    return this.cache.size;
  }

  /** Who this token stands for, to be asked as often as wanted: today's answer each time. The token is hashed once. */
  holderOf(token: string): () => Result<Principal> | Promise<Result<Principal>> {
    if (token.length === 0) return () => unauthenticated("no-token");
    if (token.length > tokenCharsMax) return () => unauthenticated("too-long");
    const hash = sha256Hex(token);
    // A lookup by hash tells nothing through its timing: who can choose the hash of a key has the key.
    if (looksLikeApiKey(token)) return () => this.byKey(hash);
    return () => this.remembered(hash) ?? this.verified(token, hash);
  }

  clear(): void {
    this.cache.clear();
  }

  private byKey(hash: Sha256Hex): Result<Principal> {
    const holder = this.directory.holderOf(hash);
    if (holder === null) return unauthenticated("no-such-key");
    const { key, standing } = holder;
    if (!standing.record.enabled) return principalDisabled;
    if (key.expiresAt !== null && elapsedMs(this.clock.wall(), key.expiresAt) >= 0) return tokenExpired;
    return standing.answer;
  }

  /** Null = not remembered, or not looked at for too long. */
  private remembered(hash: Sha256Hex): Result<Principal> | null {
    const hit = this.cache.get(hash);
    if (hit === undefined) return null;
    if (elapsedMs(this.clock.wall(), hit.token.expiresAt) >= 0) {
      this.cache.delete(hash);
      return tokenExpired;
    }
    if (elapsedMs(this.clock.monotonic(), hit.freshUntil) >= 0) {
      this.cache.delete(hash);
      return null;
    }
    this.hits++;
    const { standing } = hit;
    if (this.directory.standing(standing.record.id) === standing) return hit.answer;
    const judged = judge(hit.issuer.principal(hit.token, this.directory), hit.token);
    if (judged.standing === null) this.cache.delete(hash);
    else this.cache.set(hash, { ...hit, standing: judged.standing, answer: judged.answer });
    return judged.answer;
  }

  private verified(token: string, hash: Sha256Hex): Result<Principal> | Promise<Result<Principal>> {
    const underWay = this.verifying.get(hash);
    if (underWay !== undefined) return underWay;
    const named = issuerOf(token);
    if (named === null) return unauthenticated("not-a-token");
    const issuer = this.issuers.get(named);
    if (issuer === undefined) return unauthenticated("unknown-issuer");
    if (this.verifying.size >= verificationsMax) return tooManyVerifications;
    this.misses++;
    const verification = this.verify(token, hash, issuer).finally(() => this.verifying.delete(hash));
    this.verifying.set(hash, verification);
    return verification;
  }

  private async verify(token: string, hash: Sha256Hex, issuer: Issuer): Promise<Result<Principal>> {
    const result = await issuer.verify(token);
    if (!result.ok) return result;
    let judged = judge(issuer.principal(result.value, this.directory), result.value);
    if (judged.mayBeBehind) {
      // The token is genuine and newer than what this node knows: another node made the principal a moment ago.
      await this.refresh();
      judged = judge(issuer.principal(result.value, this.directory), result.value);
    }
    if (judged.standing !== null) this.remember(hash, issuer, result.value, judged.standing, judged.answer);
    return judged.answer;
  }

  private remember(
    hash: Sha256Hex,
    issuer: Issuer,
    token: VerifiedToken,
    standing: Standing,
    answer: Result<Principal>,
  ): void {
    const leftMs = Math.min(elapsedMs(token.expiresAt, this.clock.wall()), freshMs(hash));
    if (leftMs <= 0) return;
    const freshUntil = plusMs(this.clock.monotonic(), leftMs);
    this.cache.set(hash, { issuer, token, standing, answer, freshUntil });
  }
}

/** The same for a token each time: chance has no part in it, and one token's times say nothing about another's. */
const freshMs = (hash: Sha256Hex): number =>
  cachedTokenMs * (0.5 + Number.parseInt(hash.slice(0, 8), 16) / 2 ** 33);

interface Judged {
  readonly answer: Result<Principal>;
  /** Null = refused. */
  readonly standing: Standing | null;
  readonly mayBeBehind: boolean;
}

function judge(subject: Subject, { scopes }: VerifiedToken): Judged {
  switch (subject.kind) {
    case "unknown":
      return { answer: unauthenticated("unknown-subject"), standing: null, mayBeBehind: true };
    case "found": {
      const { standing, epoch } = subject;
      const revoked = epoch !== null && epoch !== standing.record.epoch;
      if (revoked || !standing.record.enabled) {
        const mayBeBehind = epoch !== null && epoch > standing.record.epoch;
        return { answer: principalDisabled, standing: null, mayBeBehind };
      }
      return { answer: within(standing.answer, scopes), standing, mayBeBehind: false };
    }
  }
}

/** The directory's own object, unless the token is limited: then one that says so. */
function within(answer: Result<Principal>, scopes: VerifiedToken["scopes"]): Result<Principal> {
  return scopes === undefined || !answer.ok ? answer : ok(Object.freeze({ ...answer.value, scopes }));
}

const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

/** The issuer a token names, not yet believed; null when it is no JWT at all. */
function issuerOf(token: string): string | null {
  if (!compactJws.test(token)) return null;
  try {
    const { iss } = jose().decodeJwt(token);
    return typeof iss === "string" ? iss : null;
  } catch {
    return null; // jose throws for everything that is not a JWT
  }
}
