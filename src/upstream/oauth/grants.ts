import type { Clock } from "../../base/index.ts";
import { msOf } from "../../base/index.ts";
import { Trouble } from "../trouble.ts";
import type { Client } from "./choose-client.ts";
import { authenticateAs } from "./client-authentication.ts";
import type { Grant, Pending } from "./credential.ts";
import type { Issuer } from "./discover.ts";
import type { DpopKey } from "./dpop.ts";
import type { Fetch } from "./guarded-fetch.ts";
import type { Sdk } from "./sdk.ts";

/** A token is renewed this long before its end, or a tenth of its life where that is shorter: no call then meets a dead one. */
const renewBeforeMs = 30_000;

/** What every token request has. */
export interface TokenRequest {
  readonly sdk: Sdk;
  readonly reach: Fetch;
  readonly clock: Clock;
  readonly issuer: Issuer;
  readonly client: Client;
  readonly serverUrl: string;
  readonly resource: string;
  /** null = the token is for whoever bears it. */
  readonly dpop: DpopKey | null;
}

/** RFC 6749 section 4.1.3 with RFC 7636: the code of a finished authorization. `iss` has been checked. */
export async function redeemCode(request: TokenRequest, pending: Pending, code: string): Promise<Grant> {
  const { sdk } = request;
  const tokens = await sdk.exchangeAuthorization(request.issuer.issuer, {
    ...shared(request),
    // It was compared before; here only its presence is asked for.
    iss: request.issuer.issuer,
    authorizationCode: code,
    codeVerifier: pending.verifier,
    redirectUri: pending.redirectUri,
  });
  return grantFrom(request, tokens, { refreshToken: null, scope: pending.scope });
}

/** RFC 6749 section 6. A server that rotates gives another refresh token, and the old one is worthless from then on. */
export async function refresh(request: TokenRequest, grant: Grant): Promise<Grant> {
  const { sdk } = request;
  const { refreshToken, scope } = grant;
  if (refreshToken === null) throw new Trouble("dependency", "there is no refresh token");
  const tokens = await sdk.refreshAuthorization(request.issuer.issuer, { ...shared(request), refreshToken });
  return grantFrom(request, tokens, { refreshToken, scope });
}

/** RFC 6749 section 4.4. */
export async function clientCredentials(request: TokenRequest, scope: string | null): Promise<Grant> {
  const { sdk, issuer, client, dpop } = request;
  const { clientInformation, addClientAuthentication, metadata, resource, fetchFn } = shared(request);
  const grantType = new URLSearchParams({ grant_type: "client_credentials" });
  if (scope !== null) grantType.set("scope", scope);
  const unused = (): never => {
    throw new Trouble("correctness", "client credentials ask nobody");
  };
  const tokens = await sdk.fetchToken(
    {
      redirectUrl: undefined,
      clientMetadata: { redirect_uris: [] },
      clientInformation: () => ({ ...clientInformation, issuer: issuer.issuer }),
      tokens: () => undefined,
      saveTokens: unused,
      redirectToAuthorization: unused,
      saveCodeVerifier: unused,
      codeVerifier: unused,
      prepareTokenRequest: () => grantType,
      addClientAuthentication,
      ...(dpop === null ? {} : { dpop: () => dpop.session }),
    },
    issuer.issuer,
    { metadata, resource, fetchFn, ...(scope === null ? {} : { scope }) },
  );
  return grantFrom({ ...request, client }, tokens, { refreshToken: null, scope });
}

const shared = ({ sdk, reach, issuer, client, resource, dpop }: TokenRequest) => ({
  metadata: issuer.metadata,
  clientInformation: { client_id: client.id },
  addClientAuthentication: authenticateAs(sdk, client.id, client.proof),
  resource,
  fetchFn: reach,
  ...(dpop === null ? {} : { dpop: dpop.session }),
});

type Tokens = Awaited<ReturnType<Sdk["refreshAuthorization"]>>;

/** RFC 6750 section 2.1; the length is what a header of ours can carry. */
const tokenForm = /^[A-Za-z0-9\-._~+/]{1,8192}=*$/;

function grantFrom(
  { clock, issuer, client, serverUrl, resource, dpop }: TokenRequest,
  tokens: Tokens,
  before: { readonly refreshToken: string | null; readonly scope: string | null },
): Grant {
  const tokenType = tokens.token_type.toLowerCase();
  if (tokenType !== "bearer" && tokenType !== "dpop") {
    throw new Trouble("correctness", `${issuer.issuer} gave a token of a kind we cannot use`);
  }
  if (tokenType === "dpop" && dpop === null) {
    throw new Trouble("correctness", `${issuer.issuer} bound a token to a key that we did not show`);
  }
  if (!tokenForm.test(tokens.access_token)) {
    throw new Trouble("correctness", `${issuer.issuer} gave a token that no header can carry`);
  }
  const now = msOf(clock.wall());
  const livesMs = tokens.expires_in === undefined ? null : Math.max(0, tokens.expires_in * 1_000);
  return {
    issuer: issuer.issuer,
    resource,
    serverUrl,
    clientId: client.id,
    accessToken: tokens.access_token,
    tokenType,
    dueAt: livesMs === null ? null : now + livesMs - Math.min(renewBeforeMs, livesMs / 10),
    expiresAt: livesMs === null ? null : now + livesMs,
    refreshToken: tokens.refresh_token ?? before.refreshToken,
    scope: tokens.scope ?? before.scope,
    dpopKey: dpop?.key ?? null,
  };
}
