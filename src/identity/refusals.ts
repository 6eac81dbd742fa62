import type { Refusal } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { refuse } from "../base/index.ts";

/** Why a token was not accepted: for the operator's records. Callers hear one sentence for all of them. */
export type TokenProblem =
  | "no-token"
  | "too-long"
  | "no-such-key"
  | "not-a-token"
  | "unknown-issuer"
  | "not-valid"
  | "unknown-subject";

const unauthenticatedText = "The token is missing or not valid here.";

/**
 * One answer per problem, made once: the caller cannot tell a forged token from one of another tenant, issuer or installation,
 * and nothing of the token is in it.
 */
const byProblem = new Map<TokenProblem, Result<never>>();

export function unauthenticated(problem: TokenProblem): Result<never> {
  let answer = byProblem.get(problem);
  if (answer === undefined) {
    answer = refuse<Refusal>(
      Object.freeze({
        code: "unauthenticated",
        detail: unauthenticatedText,
        evidence: Object.freeze({ problem }),
      }),
    );
    byProblem.set(problem, answer);
  }
  return answer;
}

export const tokenExpired: Result<never> = refuse<Refusal>(
  Object.freeze({ code: "token-expired", detail: "The token has expired." }),
);

/** Only said to who showed a token or key that we issued. */
export const principalDisabled: Result<never> = refuse<Refusal>(
  Object.freeze({
    code: "principal-disabled",
    detail: "The principal is disabled, or its tokens were revoked.",
  }),
);

export const tooManyVerifications: Result<never> = refuse<Refusal>(
  Object.freeze({ code: "queue-full", detail: "Too many new tokens are being checked at once." }),
);

/** The same for a missing record and for someone else's. */
export const noSuch = (what: string): Result<never> =>
  refuse<Refusal>({ code: "not-found", detail: `There is no such ${what}.` });
