import { codes } from "../../contract/index.ts";
import type { Result } from "../base/index.ts";
import { RecentMap, ok } from "../base/index.ts";
import type { Acts } from "../admin/index.ts";
import type { SignInAnswer, SignInRequest } from "../edge/index.ts";
import type { Identities, KeyHolding } from "../identity/index.ts";
import type { Store } from "../store/index.ts";
import { actorOf } from "./actors.ts";
import { json, problemAnswer } from "./answers.ts";
import { reusesRemembered, signedInMs } from "./bounds.ts";
import { credentialsIn, isNamed, noSuchClient } from "./client-credentials.ts";
import type { Code } from "./code.ts";
import { forgetSpent, notGood, presentedCode, spend } from "./code.ts";
import type { Fields } from "./fields.ts";
import { isForm, readFields } from "./fields.ts";
import type { IssueParts, TokenAnswer } from "./issue.ts";
import { issue, issueAction } from "./issue.ts";
import { resourceOf } from "./metadata.ts";
import type { Judged } from "./problem.ts";
import { notNow, problem } from "./problem.ts";
import { readScope } from "./scopes.ts";
import type { Seals } from "./seals.ts";
import { codeNote } from "./notes.ts";

interface TokenParts extends IssueParts {
  readonly identities: Pick<
    Identities,
    "issueToken" | "tokenTtlMs" | "keyHolding" | "keyHeld" | "refreshIfChanged"
  >;
  readonly acts: Pick<Acts, "perform" | "recordRefusal">;
  readonly store: Pick<Store, "now" | "takeDueWakeUps">;
  readonly seals: Seals;
}

/** A code or an API key comes in, a token for `/mcp` goes out (RFC 6749 section 3.2). */
export class TokenEndpoint {
  private readonly parts: TokenParts;
  /** Codes whose second use is on record. */
  private readonly reused = new RecentMap<string, true>(reusesRemembered);

  constructor(parts: TokenParts) {
    this.parts = parts;
  }

  async answer(request: SignInRequest): Promise<SignInAnswer> {
    const { authorization } = request.headers;
    const fields = isForm(request)
      ? readFields(request.body.toString("utf8"))
      : problem("invalid_request", "Send a form: application/x-www-form-urlencoded.");
    const token = fields.ok ? await this.token(fields.value, authorization, request.base) : fields;
    return token.ok ? json(200, token.value) : problemAnswer(token.refusal, authorization !== undefined);
  }

  private async token(
    fields: Fields,
    authorization: string | undefined,
    base: string,
  ): Promise<Judged<TokenAnswer>> {
    switch (fields.get("grant_type")) {
      case "authorization_code":
        if (authorization !== undefined || fields.has("client_secret"))
          return problem(
            "invalid_client",
            "A client that signs in has no secret here; send client_id alone.",
          );
        return this.forCode(fields);
      case "client_credentials":
        return this.forKey(fields, authorization, base);
      case undefined:
        return problem("invalid_request", "grant_type is missing.");
      default:
        return problem("unsupported_grant_type", "There are authorization_code and client_credentials.");
    }
  }

  private async forCode(fields: Fields): Promise<Judged<TokenAnswer>> {
    const { store, seals, identities } = this.parts;
    const code = await presentedCode(fields, { seals, now: () => store.now() });
    if (!code.ok) return code;
    await forgetSpent(store);
    // A key that was revoked, or an agent that was disabled, on another node a moment ago.
    await identities.refreshIfChanged();
    const holding = identities.keyHeld(code.value);
    if (!holding.ok) return notGood;
    const issued = await issue(this.parts, holding.value, {
      ttlMs: signedInMs,
      scopes: code.value.scopes,
      writes: [spend(code.value)],
      note: codeNote(code.value),
    });
    // The entry's id is new, so what stood in the way can only be the code that was spent before.
    if (!issued.ok && issued.refusal.code === "conflict") return this.usedTwice(code.value, holding.value);
    return answered(issued);
  }

  /**
   * RFC 6749 section 4.1.2. The token of the first use stays good until it expires: a token is known by its signature, and what would end
   * it ends all tokens of its agent, which a client that only repeats a request must not bring about. An operator sees it, and can.
   */
  private async usedTwice(code: Code, { principal }: KeyHolding): Promise<Judged<never>> {
    if (!this.reused.has(code.id)) {
      this.reused.set(code.id, true);
      await this.parts.acts.recordRefusal(
        { actor: principal, action: issueAction, decision: null },
        { code: "conflict", detail: "The code was used before." },
        codeNote(code),
      );
    }
    return notGood;
  }

  private async forKey(
    fields: Fields,
    authorization: string | undefined,
    base: string,
  ): Promise<Judged<TokenAnswer>> {
    const credentials = credentialsIn(fields, authorization);
    if (!credentials.ok) return credentials;
    const { clientId, secret } = credentials.value;
    const holding = await actorOf(this.parts.identities, secret);
    if (!holding.ok || !isNamed(holding.value, clientId)) return noSuchClient;
    const resource = resourceOf(base);
    if ((fields.get("resource") ?? resource) !== resource)
      return problem("invalid_target", `Tokens from here are for ${resource} alone.`);
    const scopes = readScope(fields.get("scope"));
    if (!scopes.ok) return scopes;
    const ttlMs = this.parts.identities.tokenTtlMs;
    return answered(
      await issue(this.parts, holding.value, {
        ttlMs,
        scopes: scopes.value,
        writes: [],
        note: { grant: "client_credentials" },
      }),
    );
  }
}

function answered(issued: Result<TokenAnswer>): Judged<TokenAnswer> {
  if (issued.ok) return ok(issued.value);
  return codes[issued.refusal.code].http === 503
    ? notNow
    : problem("invalid_grant", "The key is about to expire, or not good any more.");
}
