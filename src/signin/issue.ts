import type { Clock, Result } from "../base/index.ts";
import { elapsedMs, msOf, ok } from "../base/index.ts";
import type { Acts, Note } from "../admin/index.ts";
import type { Identities, KeyHolding } from "../identity/index.ts";
import type { Write } from "../store/index.ts";
import type { OfferedScope } from "./scopes.ts";

export interface IssueParts {
  readonly identities: Pick<Identities, "issueToken">;
  readonly acts: Pick<Acts, "perform">;
  readonly clock: Clock;
}

/** RFC 6749 section 5.1. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: "Bearer";
  readonly expires_in: number;
  readonly scope: string;
}

export const issueAction = "signin.issue-token";

/**
 * A token for the holder of a key, which does not outlive the key. It leaves once its entry is durable, together with the writes that
 * have to come true with it.
 */
export async function issue(
  { identities, acts, clock }: IssueParts,
  holding: KeyHolding,
  wanted: {
    readonly ttlMs: number;
    readonly scopes: readonly OfferedScope[];
    readonly writes: readonly Write[];
    readonly note: Note;
  },
): Promise<Result<TokenAnswer>> {
  const { principal, key } = holding;
  const now = clock.wall();
  const leftMs = key.expiresAt === null ? wanted.ttlMs : elapsedMs(key.expiresAt, now);
  const issued = identities.issueToken(
    principal,
    principal.id,
    Math.min(wanted.ttlMs, leftMs),
    wanted.scopes,
  );
  if (!issued.ok) return issued;
  const { token, jti, expiresAt } = issued.value;
  const done = await acts.perform(
    { actor: principal, action: issueAction, decision: null },
    principal.id,
    { writes: wanted.writes, value: null, applied: () => undefined },
    {
      ...wanted.note,
      name: principal.name,
      key: key.id,
      token: jti,
      scopes: wanted.scopes,
      expiresAt: new Date(msOf(expiresAt)).toISOString(),
    },
  );
  if (!done.ok) return done;
  return ok({
    access_token: token,
    token_type: "Bearer",
    expires_in: Math.max(0, Math.floor(elapsedMs(expiresAt, now) / 1000)),
    scope: wanted.scopes.join(" "),
  });
}
