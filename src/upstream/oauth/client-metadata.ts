import { isLoopbackHost } from "./loopback.ts";

/** Where this node answers browsers and authorization servers, below its address. */
export const callbackPath = "/oauth/callback";
const clientMetadataPath = "/oauth/client.json";

/** Where authorization servers send people back to, and how this node names itself to them. */
export interface OwnAddresses {
  readonly redirectUri: string;
  /** The https URL of our metadata document, which is our client id; null = nobody outside could read it. */
  readonly clientIdUrl: string | null;
}

/** `url` is how people's browsers reach this node, without a path. */
export function ownAddresses(url: string): OwnAddresses {
  const base = url.replace(/\/$/, "");
  const isReadable = base.startsWith("https://") && !isLoopbackHost(new URL(base).hostname);
  return {
    redirectUri: `${base}${callbackPath}`,
    clientIdUrl: isReadable ? `${base}${clientMetadataPath}` : null,
  };
}

/** How a client that registers proves itself afterwards; a metadata document is read by all, so it can have no secret. */
export type TokenMethod = "none" | "client_secret_basic" | "client_secret_post";

/** What we say about ourselves when we register. Also the body of the metadata document, with `client_id` added. */
export const clientMetadata = (redirectUri: string, method: TokenMethod = "none") => ({
  client_name: "Signalbox",
  redirect_uris: [redirectUri],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: method,
  // OpenID Connect Registration: a loopback redirect is a native application's.
  application_type: isLoopbackHost(new URL(redirectUri).hostname) ? "native" : "web",
});

/** The client id metadata document of a node at this address; null = it has no public one. */
export function clientMetadataDocument(url: string): string | null {
  const { redirectUri, clientIdUrl } = ownAddresses(url);
  if (clientIdUrl === null) return null;
  return JSON.stringify({ client_id: clientIdUrl, client_uri: url, ...clientMetadata(redirectUri) });
}
