import { msOf } from "../../base/index.ts";
import type { OAuthSettings } from "../../registry/index.ts";
import { Trouble } from "../trouble.ts";
import type { ClientProof } from "./client-authentication.ts";
import type { OwnAddresses, TokenMethod } from "./client-metadata.ts";
import { clientMetadata } from "./client-metadata.ts";
import type { OAuthContext, OAuthServer } from "./context.ts";
import type { Credential, RegisteredClient } from "./credential.ts";
import type { Issuer } from "./discover.ts";
import type { Fetch } from "./guarded-fetch.ts";
import { oauthTrouble } from "./oauth-trouble.ts";
import type { Sdk } from "./sdk.ts";

/** Who we are at one issuer. */
export interface Client {
  readonly id: string;
  readonly proof: ClientProof;
  /** To be kept: it was registered just now. null = it is known already, or needs no keeping. */
  readonly registered: RegisteredClient | null;
}

/**
 * Registered by hand, then our metadata document, then registration on the fly (RFC 7591, deprecated in MCP 2026-07-28), then a
 * plain no. Whatever was registered at one issuer is shown to no other.
 */
export async function chooseClient(
  sdk: Sdk,
  reach: Fetch,
  context: OAuthContext,
  server: OAuthServer,
  issuer: Issuer,
  kept: Credential,
  own: OwnAddresses,
): Promise<Client> {
  const { metadata } = issuer;
  if (server.settings.clientId !== undefined) return preRegistered(context, server, issuer);
  if (own.clientIdUrl !== null && metadata.client_id_metadata_document_supported === true) {
    return { id: own.clientIdUrl, proof: { kind: "none" }, registered: null };
  }
  const known = kept.clients[issuer.issuer];
  if (known !== undefined && known.redirectUri === own.redirectUri && isValid(context, known)) {
    return { id: known.clientId, proof: proofOf(known), registered: null };
  }
  if (metadata.registration_endpoint === undefined) {
    throw new Trouble(
      "correctness",
      `${issuer.issuer} registers no clients and ${
        own.clientIdUrl === null
          ? "this node has no public https URL for a metadata document (listen.publicUrl)"
          : "takes no metadata document"
      }; register Signalbox there by hand with the redirect URI ${own.redirectUri}, and give clientId and issuer`,
    );
  }
  const registered = await register(sdk, reach, issuer, own.redirectUri);
  return { id: registered.clientId, proof: proofOf(registered), registered };
}

/** The client that a grant was given to. Throws Trouble when it is no longer known. */
export async function clientOf(
  context: OAuthContext,
  server: OAuthServer,
  issuer: Issuer,
  kept: Credential,
  clientId: string,
): Promise<Client> {
  if (server.settings.clientId === clientId) return preRegistered(context, server, issuer);
  const known = kept.clients[issuer.issuer];
  if (known?.clientId === clientId) return { id: clientId, proof: proofOf(known), registered: null };
  return { id: clientId, proof: { kind: "none" }, registered: null };
}

/** The client of the record, at the issuer of the record and nowhere else. */
export async function preRegistered(
  { reveal }: OAuthContext,
  { settings, record }: OAuthServer,
  issuer: Issuer,
): Promise<Client> {
  const { clientId: id, clientSecret, privateKey, algorithm } = settings;
  if (id === undefined || !isSameIssuer(settings.issuer, issuer.issuer)) {
    throw new Trouble("correctness", `the client of ${record.name} is not registered at ${issuer.issuer}`);
  }
  const open = async (secret: NonNullable<OAuthSettings["clientSecret"]>): Promise<string> =>
    "vault" in secret ? reveal(record.tenant, secret.vault) : secret.literal;
  if (privateKey !== undefined && algorithm !== undefined) {
    return { id, proof: { kind: "private-key", key: await open(privateKey), algorithm }, registered: null };
  }
  if (clientSecret === undefined) return { id, proof: { kind: "none" }, registered: null };
  const method = settings.secretMethod ?? preferredMethod(issuer);
  return { id, proof: { kind: "secret", secret: await open(clientSecret), method }, registered: null };
}

/** RFC 8414: left out, it is `client_secret_basic`. */
function preferredMethod({ metadata }: Issuer): "basic" | "post" {
  const methods = metadata.token_endpoint_auth_methods_supported ?? [];
  return !methods.includes("client_secret_basic") && methods.includes("client_secret_post")
    ? "post"
    : "basic";
}

/** Without a secret where that is possible: PKCE and the redirect address are what protects the code. */
function methodFor({ metadata }: Issuer): TokenMethod {
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["none"];
  const ours = ["none", "client_secret_basic", "client_secret_post"] as const;
  return ours.find((method) => methods.includes(method)) ?? "none";
}

async function register(
  sdk: Sdk,
  reach: Fetch,
  issuer: Issuer,
  redirectUri: string,
): Promise<RegisteredClient> {
  try {
    const client = await sdk.registerClient(issuer.issuer, {
      metadata: issuer.metadata,
      clientMetadata: clientMetadata(redirectUri, methodFor(issuer)),
      fetchFn: reach,
    });
    const { client_secret_expires_at: expiresAt = 0 } = client;
    return {
      clientId: client.client_id,
      clientSecret: client.client_secret ?? null,
      method: client.token_endpoint_auth_method ?? methodFor(issuer),
      expiresAt: client.client_secret === undefined || expiresAt === 0 ? null : expiresAt * 1_000,
      redirectUri,
    };
  } catch (thrown) {
    throw oauthTrouble(`registering at ${issuer.issuer}`, thrown);
  }
}

function proofOf({ clientSecret, method }: RegisteredClient): ClientProof {
  if (clientSecret === null || method === "none") return { kind: "none" };
  return { kind: "secret", secret: clientSecret, method: method === "client_secret_post" ? "post" : "basic" };
}

const isValid = ({ clock }: OAuthContext, { expiresAt }: RegisteredClient): boolean =>
  expiresAt === null || expiresAt > msOf(clock.wall());

/** One slash at the end is a spelling, as in discovery. */
const isSameIssuer = (configured: string | undefined, issuer: string): boolean =>
  configured !== undefined && configured.replace(/\/$/, "") === issuer.replace(/\/$/, "");
