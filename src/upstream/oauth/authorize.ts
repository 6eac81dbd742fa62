import { createHash } from "node:crypto";
import { msOf } from "../../base/index.ts";
import { bounded, Trouble } from "../trouble.ts";
import { scopeUnion } from "./challenge.ts";
import { chooseClient, clientOf } from "./choose-client.ts";
import type { OwnAddresses } from "./client-metadata.ts";
import type { OAuthContext, OAuthServer } from "./context.ts";
import type { Credential, Grant, Pending } from "./credential.ts";
import { askForChallenge, discover, issuerAt } from "./discover.ts";
import { dpopKey } from "./dpop.ts";
import { redeemCode } from "./grants.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { isLoopbackHost } from "./loopback.ts";
import { oauthTrouble } from "./oauth-trouble.ts";
import { loadSdk } from "./sdk.ts";

/** How long a person may take to sign in and consent. */
const authorizationTimeoutMs = 10 * 60_000;
/** Wrong confirmations before the authorization is void: a guess then has one chance in 200 billion. */
const confirmationTriesMax = 5;

export interface Started {
  /** What the person opens. */
  readonly url: string;
  readonly issuer: string;
  readonly scope: string | null;
  readonly credential: Credential;
}

/**
 * Begins an authorization: finds out who may let us in, chooses or registers a client, and makes the address to open. `state` and
 * `confirmation` are the caller's secrets; only their hashes are kept. A second start makes the first one void.
 */
export async function startAuthorization(
  context: OAuthContext,
  server: OAuthServer,
  kept: Credential,
  own: OwnAddresses,
  secrets: { readonly state: string; readonly confirmation: string },
): Promise<Started> {
  const { settings, record } = server;
  if (settings.grant === "client-credentials") {
    throw new Trouble(
      "correctness",
      `${record.name} uses client credentials, which nobody has to consent to`,
    );
  }
  const sdk = await loadSdk();
  const reach = guardedFetch(context, server);
  const challenge = await askForChallenge(reach, server);
  const found = await discover(sdk, reach, server, challenge);
  demandCodeFlow(found.issuer, found.metadata);
  const client = await chooseClient(sdk, reach, context, server, found, kept, own);
  const scope = wantedScope(server, kept, found);
  const isBound = settings.dpop ?? "auto";
  const dpop =
    isBound === "always" || (isBound === "auto" && found.wantsDpop) ? await dpopKey(sdk, null) : null;
  const started = await sdk.startAuthorization(found.issuer, {
    metadata: found.metadata,
    clientInformation: { client_id: client.id },
    redirectUrl: own.redirectUri,
    state: secrets.state,
    resource: found.resource,
    ...(scope === null ? {} : { scope }),
  });
  const pending: Pending = {
    stateHash: hashOf(secrets.state),
    confirmationHash: hashOf(secrets.confirmation),
    triesLeft: confirmationTriesMax,
    verifier: started.codeVerifier,
    issuer: found.issuer,
    namesItself: found.metadata.authorization_response_iss_parameter_supported === true,
    resource: found.resource,
    serverUrl: server.url.href,
    redirectUri: own.redirectUri,
    clientId: client.id,
    scope,
    dpopKey: dpop?.key ?? null,
    expiresAt: msOf(context.clock.wall()) + authorizationTimeoutMs,
  };
  const clients =
    client.registered === null ? kept.clients : { ...kept.clients, [found.issuer]: client.registered };
  return {
    url: started.authorizationUrl.href,
    issuer: found.issuer,
    scope,
    credential: { ...kept, clients, pending },
  };
}

/** What an authorization server sent the browser back with. */
export interface Callback {
  readonly state: string;
  readonly code: string | null;
  readonly error: string | null;
  readonly iss: string | null;
}

/**
 *  void       not one we wait for: used, replaced, too late, or never ours. Nothing else of it may be believed
 *  foreign    an answer that another issuer gave, or that does not say who gave it (RFC 9207)
 *  refused    the authorization server, or the person there, said no
 *  confirm    it is what we wait for; who started it has to say so
 */
export type CallbackVerdict =
  | { readonly kind: "void" }
  | { readonly kind: "foreign" }
  | { readonly kind: "refused"; readonly error: string }
  | { readonly kind: "confirm"; readonly pending: Pending; readonly code: string };

/** Looks at what came back. The issuer is compared before anything else of the answer is read, as a plain text. */
export function judgeCallback(
  context: OAuthContext,
  server: OAuthServer,
  kept: Credential,
  callback: Callback,
): CallbackVerdict {
  const { pending } = kept;
  const isOurs = pending !== null && pending.stateHash === hashOf(callback.state);
  if (!isOurs || pending.expiresAt <= msOf(context.clock.wall()) || pending.serverUrl !== server.url.href) {
    return { kind: "void" };
  }
  const isNamed = callback.iss === null ? !pending.namesItself : callback.iss === pending.issuer;
  if (!isNamed) return { kind: "foreign" };
  if (callback.code === null || callback.error !== null) {
    return { kind: "refused", error: bounded(callback.error ?? "no code").slice(0, 100) };
  }
  return { kind: "confirm", pending, code: callback.code };
}

/** null = it is right. Otherwise what to keep: one try less, or nothing pending any more. */
export function wrongConfirmation(
  kept: Credential,
  pending: Pending,
  confirmation: string,
): Credential | null {
  if (hashOf(confirmation) === pending.confirmationHash) return null;
  const triesLeft = pending.triesLeft - 1;
  return { ...kept, pending: triesLeft > 0 ? { ...pending, triesLeft } : null };
}

/** Exchanges the code for tokens, at the issuer it came from and nowhere else. */
export async function finishAuthorization(
  context: OAuthContext,
  server: OAuthServer,
  kept: Credential,
  pending: Pending,
  code: string,
): Promise<Credential> {
  const sdk = await loadSdk();
  const reach = guardedFetch(context, server);
  try {
    const issuer = await issuerAt(sdk, reach, pending.issuer);
    if (issuer.issuer !== pending.issuer) {
      throw new Trouble("correctness", `${pending.issuer} now calls itself ${issuer.issuer}`);
    }
    const client = await clientOf(context, server, issuer, kept, pending.clientId);
    const dpop = pending.dpopKey === null ? null : await dpopKey(sdk, pending.dpopKey);
    const { serverUrl, resource } = pending;
    const request = { sdk, reach, clock: context.clock, issuer, client, serverUrl, resource, dpop };
    const grant: Grant = await redeemCode(request, pending, code);
    return { ...kept, grant, pending: null, wanted: null };
  } catch (thrown) {
    throw oauthTrouble("exchanging the code for a token", thrown);
  }
}

type Metadata = Awaited<ReturnType<typeof discover>>["metadata"];

/** MCP asks for PKCE, and a server that does not say it has it does not (RFC 8414; basic/authorization). */
function demandCodeFlow(issuer: string, metadata: Metadata): void {
  const at = metadata.authorization_endpoint;
  if (!metadata.code_challenge_methods_supported?.includes("S256")) {
    throw new Trouble("correctness", `${issuer} does not say that it supports PKCE with S256`);
  }
  const url = URL.canParse(at) ? new URL(at) : null;
  const isWeb = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopbackHost(url.hostname));
  if (!isWeb) throw new Trouble("correctness", `the authorization endpoint of ${issuer} is not https`);
}

/** What the server asks for, what its record adds, what was granted before and found wanting; and a token that can be renewed. */
function wantedScope(
  { settings }: OAuthServer,
  kept: Credential,
  found: { readonly scope: string | null; readonly metadata: Metadata },
): string | null {
  const own = (settings.scopes ?? []).join(" ");
  const scope = scopeUnion(kept.grant?.scope ?? null, kept.wanted, found.scope, own);
  const offersOffline = found.metadata.scopes_supported?.includes("offline_access") === true;
  return offersOffline ? scopeUnion(scope, "offline_access") : scope;
}

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");
