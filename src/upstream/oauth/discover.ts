import { Trouble } from "../trouble.ts";
import type { Challenge } from "./challenge.ts";
import { readChallenge } from "./challenge.ts";
import type { OAuthServer } from "./context.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { oauthTrouble } from "./oauth-trouble.ts";
import type { Sdk } from "./sdk.ts";

type Metadata = NonNullable<Awaited<ReturnType<Sdk["discoverAuthorizationServerMetadata"]>>>;

/** An authorization server whose metadata names itself. */
export interface Issuer {
  readonly issuer: string;
  readonly metadata: Metadata;
}

/** What a server says about who lets us in, checked. */
export interface Discovered extends Issuer {
  /** RFC 8707: what the token is for. */
  readonly resource: string;
  /** Scopes to ask for as the server said it, most particular first; null = it said nothing. */
  readonly scope: string | null;
  readonly wantsDpop: boolean;
}

/**
 * RFC 9728 and RFC 8414 or OpenID Connect Discovery. The resource must be the server itself, and the authorization server the one
 * that the record names, if it names one: else a hostile server could have tokens made for another, or a client's secret shown to
 * its friends.
 */
export async function discover(
  sdk: Sdk,
  reach: Fetch,
  server: OAuthServer,
  challenge: Challenge | null,
): Promise<Discovered> {
  const resource = await resourceMetadata(sdk, reach, server, challenge);
  const named = resource?.authorization_servers ?? [];
  const { issuer: wanted } = server.settings;
  const first = named[0] ?? (resource === null ? server.url.origin : undefined);
  if (first === undefined)
    throw new Trouble("correctness", `${server.record.name} names no authorization server`);
  if (wanted !== undefined && resource !== null && !named.some((each) => isSame(each, wanted))) {
    throw new Trouble(
      "correctness",
      `${server.record.name} takes tokens of ${shown(first)}, not of ${shown(wanted)}, which its record names`,
    );
  }
  const issuer = await issuerAt(sdk, reach, wanted ?? first);
  return {
    ...issuer,
    resource: resource?.resource ?? sdk.resourceUrlFromServerUrl(server.url).href,
    scope: challenge?.scope ?? (resource?.scopes_supported?.join(" ") || null),
    wantsDpop: challenge?.scheme === "dpop" || resource?.dpop_bound_access_tokens_required === true,
  };
}

/** The metadata of an authorization server, whose `issuer` was compared with where it was asked for. */
export async function issuerAt(sdk: Sdk, reach: Fetch, url: string): Promise<Issuer> {
  const doing = `reading the metadata of ${shown(url)}`;
  try {
    const metadata = await sdk.discoverAuthorizationServerMetadata(url, { fetchFn: reach });
    if (metadata === undefined) throw new Trouble("correctness", `${doing}: it has none`);
    return { issuer: metadata.issuer, metadata };
  } catch (thrown) {
    throw oauthTrouble(doing, thrown);
  }
}

/** Asks the server without a token, for the challenge that says where to go. null = it says nothing about it. */
export async function askForChallenge(reach: Fetch, server: OAuthServer): Promise<Challenge | null> {
  try {
    const response = await reach(server.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    });
    return response.status === 401 ? readChallenge(response.headers.get("www-authenticate") ?? "") : null;
  } catch (thrown) {
    throw oauthTrouble(`asking ${server.record.name} how to get in`, thrown);
  }
}

type ResourceMetadata = Awaited<ReturnType<Sdk["discoverOAuthProtectedResourceMetadata"]>>;

/** null = it has none: before MCP 2025-06-18 a server was its own authorization server. */
async function resourceMetadata(
  sdk: Sdk,
  reach: Fetch,
  server: OAuthServer,
  challenge: Challenge | null,
): Promise<ResourceMetadata | null> {
  const at = challenge?.resourceMetadata ?? null;
  const doing = `reading what ${server.record.name} says about its tokens`;
  let wasAbsent = true;
  const watched: Fetch = async (url, init) => {
    const response = await reach(url, init);
    wasAbsent &&= response.status === 404 || response.status === 405;
    return response;
  };
  try {
    const metadata = await sdk.discoverOAuthProtectedResourceMetadata(
      server.url,
      at === null ? {} : { resourceMetadataUrl: at },
      watched,
    );
    demandOwnResource(sdk, server, metadata);
    return metadata;
  } catch (thrown) {
    const isAnswer = !(thrown instanceof Trouble) && (thrown as Error).name === "Error";
    if (isAnswer && wasAbsent && at === null) return null;
    throw oauthTrouble(doing, thrown);
  }
}

function demandOwnResource(sdk: Sdk, server: OAuthServer, { resource }: ResourceMetadata): void {
  const own = sdk.resourceUrlFromServerUrl(server.url);
  if (sdk.checkResourceAllowed({ requestedResource: own, configuredResource: resource })) return;
  throw new Trouble(
    "correctness",
    `${server.record.name} asks for tokens for ${shown(resource)}, which it is not; nothing is asked for`,
  );
}

const isSame = (a: string, b: string): boolean => a.replace(/\/$/, "") === b.replace(/\/$/, "");

const shown = (url: string): string => url.slice(0, 200);
