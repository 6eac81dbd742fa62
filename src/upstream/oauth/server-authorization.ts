import type { WallMs } from "../../base/index.ts";
import { elapsedMs, msOf, plusMs, wallMs } from "../../base/index.ts";
import type { ResponseHeaders } from "../../net/index.ts";
import { Trouble } from "../trouble.ts";
import type { Challenge } from "./challenge.ts";
import { covers, readChallenge, scopeUnion } from "./challenge.ts";
import { clientOf, preRegistered } from "./choose-client.ts";
import type { OAuthContext, OAuthServer } from "./context.ts";
import type { Credential, Grant } from "./credential.ts";
import { askForChallenge, discover, issuerAt } from "./discover.ts";
import type { DpopSession } from "./dpop.ts";
import { dpopKey } from "./dpop.ts";
import { clientCredentials, refresh } from "./grants.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import type { Kept } from "./kept.ts";
import { keepChange, readKept, usableGrant } from "./kept.ts";
import { oauthErrorCode, oauthTrouble } from "./oauth-trouble.ts";
import { loadSdk } from "./sdk.ts";

/** A token in use. */
interface Held {
  readonly grant: Grant;
  /** name, value: what a bearer token adds to each request. */
  readonly headers: readonly string[];
  readonly session: DpopSession | null;
  /** When to get another one, in ms since 1970; null = when it is refused. */
  readonly dueAt: number | null;
  /** null = it was not got because the one before was refused. */
  readonly replacedAt: WallMs | null;
  /** The server has taken it at least once. */
  isProven: boolean;
}

/** A server that refuses even a new token is not answered with tokens without end: at most one per this time. */
const replaceAgainMs = 60_000;
/** How long a due token that could not be renewed is used on, before the next try. */
const renewAgainMs = 5_000;
/** All scopes of one token: more is not a server asking for rights. */
const scopeCharsMax = 4_096;

export interface AuthorizationState {
  /**
   *  authorized  there is a token, or a way to get one without a person
   *  needed      a person has to consent: `signalbox servers authorize`
   */
  readonly state: "authorized" | "needed";
  readonly issuer: string | null;
  readonly scope: string | null;
  readonly expiresAt: WallMs | null;
  readonly canRenew: boolean;
  /** Scopes the server has asked for that the grant does not have; null = none. */
  readonly wanted: string | null;
}

/**
 * The token of one server: none → held → (due, or refused with 401) → renewed → held …, and none again when the authorization
 * server takes it back. Whoever needs it meanwhile waits for one renewal. A new token replaces a refused one once.
 */
export class ServerAuthorization {
  /** Its record may get another name; everything else makes another authorization. */
  server: OAuthServer;
  private readonly context: OAuthContext;
  private readonly reach: Fetch;
  private held: Held | null = null;
  private getting: Promise<Held> | null = null;
  private challenge: Challenge | null = null;
  /** Scopes that were asked for here and not given: asking again gives nothing more. */
  private asked: string | null = null;

  constructor(context: OAuthContext, server: OAuthServer) {
    this.context = context;
    this.server = server;
    this.reach = guardedFetch(context, server);
  }

  /** What a request carries, and the token in it. A promise when something has to be fetched or signed first. Rejects with Trouble. */
  headersFor(method: string, path: string): Authorized | Promise<Authorized> {
    const { held } = this;
    if (held === null || held.session !== null || this.isDue(held)) return this.prepared(method, path);
    return { token: held.grant.accessToken, headers: held.headers };
  }

  /** The server took the request. */
  onTaken(token: string, headers: ResponseHeaders): void {
    const { held } = this;
    if (held === null || held.grant.accessToken !== token) return;
    held.isProven = true;
    this.observeNonce(held, headers);
  }

  /** The server said 401 or 403 to this token. True = there is another one, or another proof, and the request may be sent once more. */
  async onRefused(token: string, status: number, headers: ResponseHeaders): Promise<boolean> {
    const { held } = this;
    const challenge = readChallenge(headers["www-authenticate"]);
    if (held === null || held.grant.accessToken !== token) return true; // another call has got a new one
    if (this.observeNonce(held, headers) && challenge?.error === "use_dpop_nonce") return true;
    if (status === 401) {
      this.challenge = challenge ?? this.challenge;
      return this.replace(held);
    }
    return challenge?.error === "insufficient_scope" && challenge.scope !== null
      ? this.stepUp(held, challenge.scope)
      : false;
  }

  /** Forgets what is in memory: the next request reads what is kept. */
  reload(): void {
    this.held = null;
    this.asked = null;
  }

  async state(): Promise<AuthorizationState> {
    const { credential } = await this.read();
    const grant = this.usable(credential.grant);
    const isOwn = this.server.settings.grant === "client-credentials";
    const isOver = grant !== null && this.isOver(grant) && grant.refreshToken === null;
    return {
      state: isOwn || (grant !== null && !isOver) ? "authorized" : "needed",
      issuer: grant?.issuer ?? this.server.settings.issuer ?? null,
      scope: grant?.scope ?? null,
      expiresAt: grant === null || grant.expiresAt === null ? null : wallMs(grant.expiresAt),
      canRenew: isOwn || (grant !== null && grant.refreshToken !== null),
      wanted: credential.wanted,
    };
  }

  private async prepared(method: string, path: string): Promise<Authorized> {
    const held = await this.current();
    const token = held.grant.accessToken;
    if (held.session === null) return { token, headers: held.headers };
    const proof = await held.session.buildProof({
      htm: method,
      htu: new URL(path, this.server.url),
      accessToken: token,
    });
    return { token, headers: ["authorization", `DPoP ${token}`, "dpop", proof] };
  }

  private current(): Promise<Held> {
    const { held } = this;
    if (held !== null && !this.isDue(held)) return Promise.resolve(held);
    return this.once(() => this.find());
  }

  /** One renewal serves all who wait. */
  private once(get: () => Promise<Held>): Promise<Held> {
    this.getting ??= get().finally(() => {
      this.getting = null;
    });
    return this.getting;
  }

  private async find(): Promise<Held> {
    const kept = await this.read();
    const grant = this.usable(kept.credential.grant);
    if (grant !== null && !this.isDue(grant)) return this.hold(grant, null);
    return this.renew(kept, grant, null);
  }

  /** `replacedAt`: when the token before was refused; null = it is merely due. */
  private async renew(kept: Kept, grant: Grant | null, replacedAt: WallMs | null): Promise<Held> {
    if (grant !== null && grant.refreshToken !== null) return this.refreshed(kept, grant, replacedAt);
    if (this.server.settings.grant === "client-credentials") return this.obtain(kept, null, replacedAt);
    if (grant !== null && replacedAt === null && !this.isOver(grant))
      return this.hold(grant, null, grant.expiresAt);
    throw this.needsPerson(
      grant === null ? "it waits for authorization" : "its token has ended and cannot be renewed",
    );
  }

  private async refreshed(kept: Kept, grant: Grant, replacedAt: WallMs | null): Promise<Held> {
    const sdk = await loadSdk();
    const doing = `renewing the token of ${this.server.record.name}`;
    try {
      const issuer = await issuerAt(sdk, this.reach, grant.issuer);
      const client = await clientOf(this.context, this.server, issuer, kept.credential, grant.clientId);
      const dpop = grant.dpopKey === null ? null : await dpopKey(sdk, grant.dpopKey);
      const { resource } = grant;
      const request = { sdk, reach: this.reach, clock: this.context.clock, issuer, client, dpop, resource };
      const fresh = await refresh({ ...request, serverUrl: grant.serverUrl }, grant);
      await this.keep(kept, (credential) => ({ ...credential, grant: fresh }));
      return await this.hold(fresh, replacedAt);
    } catch (thrown) {
      const code = oauthErrorCode(thrown);
      const isFinal = code === "invalid_grant" || code === "invalid_client" || code === "unauthorized_client";
      if (!isFinal) {
        const againAt = msOf(this.context.clock.wall()) + renewAgainMs;
        if (replacedAt === null && !this.isOver(grant)) return this.hold(grant, null, againAt);
        throw oauthTrouble(doing, thrown);
      }
      return this.afterLosing(grant, replacedAt, oauthTrouble(doing, thrown));
    }
  }

  /** The refresh token is worthless. Another node may have used it a moment ago and kept its successor. */
  private async afterLosing(lost: Grant, replacedAt: WallMs | null, trouble: Trouble): Promise<Held> {
    const kept = await this.read();
    const grant = this.usable(kept.credential.grant);
    if (grant !== null && grant.accessToken !== lost.accessToken) return this.hold(grant, replacedAt);
    await this.keep(kept, (credential) => ({ ...credential, grant: null }));
    this.held = null;
    if (this.server.settings.grant === "client-credentials") return this.obtain(kept, null, replacedAt);
    throw this.needsPerson(`its authorization has ended: ${trouble.message}`, trouble);
  }

  /** Client credentials: for ourselves, so nobody has to be asked. */
  private async obtain(kept: Kept, scope: string | null, replacedAt: WallMs | null): Promise<Held> {
    const { server, context, reach } = this;
    const sdk = await loadSdk();
    try {
      this.challenge ??= await askForChallenge(reach, server);
      const found = await discover(sdk, reach, server, this.challenge);
      const client = await preRegistered(context, server, found);
      const wanted = scopeUnion(scope, kept.credential.wanted, found.scope, ownScopes(server));
      const isBound = server.settings.dpop ?? "auto";
      const dpop =
        isBound === "always" || (isBound === "auto" && found.wantsDpop) ? await dpopKey(sdk, null) : null;
      const { resource } = found;
      const serverUrl = server.url.href;
      const request = { sdk, reach, clock: context.clock, issuer: found, client, dpop, resource, serverUrl };
      const grant = await clientCredentials(request, wanted);
      this.asked = scopeUnion(this.asked, wanted);
      await this.keep(kept, (credential) => ({ ...credential, grant }));
      return await this.hold(grant, replacedAt);
    } catch (thrown) {
      throw oauthTrouble(`getting a token for ${server.record.name}`, thrown);
    }
  }

  private async replace(held: Held): Promise<boolean> {
    const { clock } = this.context;
    const isFresh =
      held.replacedAt !== null && elapsedMs(clock.wall(), plusMs(held.replacedAt, replaceAgainMs)) < 0;
    if (isFresh && !held.isProven) return false;
    await this.once(async () => {
      const kept = await this.read();
      const grant = this.usable(kept.credential.grant);
      if (grant !== null && grant.accessToken !== held.grant.accessToken)
        return this.hold(grant, clock.wall());
      return this.renew(kept, grant, clock.wall());
    });
    return true;
  }

  /** All that was granted and all that is needed: a narrower token would fail at the next call instead. */
  private async stepUp(held: Held, needed: string): Promise<boolean> {
    if (covers(held.grant.scope, needed) || covers(this.asked, needed)) return false;
    const union = scopeUnion(held.grant.scope, needed);
    if ((union?.length ?? 0) > scopeCharsMax) return false;
    if (this.server.settings.grant === "client-credentials") {
      await this.once(async () => this.obtain(await this.read(), union, null));
      return true;
    }
    const kept = await this.read();
    this.asked = scopeUnion(this.asked, needed);
    if (!covers(kept.credential.wanted, needed)) {
      await this.keep(kept, (credential) => ({
        ...credential,
        wanted: scopeUnion(credential.wanted, union),
      }));
    }
    return false;
  }

  private async hold(grant: Grant, replacedAt: WallMs | null, dueAt = grant.dueAt): Promise<Held> {
    const session =
      grant.tokenType === "dpop" ? (await dpopKey(await loadSdk(), grant.dpopKey)).session : null;
    const headers = session === null ? ["authorization", `Bearer ${grant.accessToken}`] : [];
    this.held = { grant, headers, session, dueAt, replacedAt, isProven: false };
    return this.held;
  }

  private read(): Promise<Kept> {
    return readKept(this.context, this.server);
  }

  private keep(kept: Kept, change: (credential: Credential) => Credential): Promise<void> {
    return keepChange(this.context, this.server, kept, change);
  }

  private usable(grant: Grant | null): Grant | null {
    return usableGrant(this.server, grant);
  }

  /** True = there was a nonce. */
  private observeNonce(held: Held, headers: ResponseHeaders): boolean {
    const nonce = headers["dpop-nonce"];
    if (held.session === null || typeof nonce !== "string" || nonce.length > nonceCharsMax) return false;
    held.session.rememberNonce(this.server.url, nonce);
    return true;
  }

  private isDue({ dueAt }: { readonly dueAt: number | null }): boolean {
    return dueAt !== null && msOf(this.context.clock.wall()) >= dueAt;
  }

  private isOver({ expiresAt }: Grant): boolean {
    return expiresAt !== null && msOf(this.context.clock.wall()) >= expiresAt;
  }

  private needsPerson(why: string, cause?: unknown): Trouble {
    return new Trouble(
      "dependency",
      `${why}; a person has to consent: signalbox servers authorize ${this.server.record.name}`,
      cause,
    );
  }
}

/** What a request carries for its server: name, value, … */
export interface Authorized {
  readonly token: string;
  readonly headers: readonly string[];
}

const nonceCharsMax = 1_024;

const ownScopes = ({ settings }: OAuthServer): string | null =>
  settings.scopes === undefined || settings.scopes.length === 0 ? null : settings.scopes.join(" ");
