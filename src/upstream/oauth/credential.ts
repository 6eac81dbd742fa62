import type { JsonWebKey } from "node:crypto";

/**
 * What is kept per server, as one text in the vault. Tokens and clients stand beside the issuer they belong to, and tokens beside
 * the address and resource they were asked for: whatever does not fit is as good as absent.
 */
export interface Credential {
  readonly v: 1;
  /** Clients we registered ourselves, by issuer. */
  readonly clients: Readonly<Record<string, RegisteredClient>>;
  readonly grant: Grant | null;
  /** What a person started and has not finished. */
  readonly pending: Pending | null;
  /** Scopes the server asked for that the grant does not have; null = none. */
  readonly wanted: string | null;
}

export interface RegisteredClient {
  readonly clientId: string;
  readonly clientSecret: string | null;
  /** As the authorization server said, or as we asked for. */
  readonly method: string;
  /** Of the secret, in ms since 1970; null = never. */
  readonly expiresAt: number | null;
  readonly redirectUri: string;
}

export interface Grant {
  readonly issuer: string;
  readonly resource: string;
  /** The server's address when it was asked for. */
  readonly serverUrl: string;
  readonly clientId: string;
  readonly accessToken: string;
  readonly tokenType: "bearer" | "dpop";
  /** When to get another one, and when it is worthless, in ms since 1970; null = it was not said. */
  readonly dueAt: number | null;
  readonly expiresAt: number | null;
  readonly refreshToken: string | null;
  /** As granted, or as asked for when the answer did not say; null = neither was said. */
  readonly scope: string | null;
  readonly dpopKey: JsonWebKey | null;
}

export interface Pending {
  /** SHA-256 of the state and of the confirmation; neither is kept itself. */
  readonly stateHash: string;
  readonly confirmationHash: string;
  readonly triesLeft: number;
  readonly verifier: string;
  readonly issuer: string;
  /** Whether the issuer says that its answers name it (RFC 9207). */
  readonly namesItself: boolean;
  readonly resource: string;
  readonly serverUrl: string;
  readonly redirectUri: string;
  readonly clientId: string;
  readonly scope: string | null;
  readonly dpopKey: JsonWebKey | null;
  readonly expiresAt: number;
}

export const noCredential: Credential = { v: 1, clients: {}, grant: null, pending: null, wanted: null };

/** Texts were written by us. One of a later version reads as nothing: a person authorizes anew. */
export function readCredential(text: string | null): Credential {
  if (text === null) return noCredential;
  const read = JSON.parse(text) as Credential;
  return read.v === 1 ? read : noCredential;
}

export const credentialText = (credential: Credential): string => JSON.stringify(credential);

/** Every value of a kept credential that must never be seen in a result or a log line. */
export function secretsOfCredential(text: string): readonly string[] {
  const { grant, pending, clients } = readCredential(text);
  return [
    grant?.accessToken,
    grant?.refreshToken,
    grant?.dpopKey?.d,
    pending?.verifier,
    pending?.dpopKey?.d,
    ...Object.values(clients).map(({ clientSecret }) => clientSecret),
  ].filter((secret) => typeof secret === "string");
}
