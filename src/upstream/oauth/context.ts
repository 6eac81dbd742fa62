import type { Clock, Random } from "../../base/index.ts";
import type { AddressScope, Net } from "../../net/index.ts";
import type { OAuthSettings, ServerRecord, Transport } from "../../registry/index.ts";

/** What getting a token needs from the house. */
export interface OAuthContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly net: Net;
  readonly reveal: (tenant: ServerRecord["tenant"], name: string) => Promise<string>;
  readonly allowedFor: (server: ServerRecord) => readonly AddressScope[];
  readonly credentials: CredentialStore;
}

/** A credential as it is kept; `version` grows with every change of it. */
export interface KeptCredential {
  readonly text: string;
  readonly version: number;
}

/** Where the credentials of servers are: sealed, one per server, never in a log. */
export interface CredentialStore {
  /** null = none is kept. */
  read(server: ServerRecord): Promise<KeptCredential | null>;
  /** Returns the new version. Rejects with a Fault `conflict` when what is kept is not at version `before` (null = nothing). */
  write(server: ServerRecord, text: string, before: number | null): Promise<number>;
}

type HttpTransport = Extract<Transport, { kind: "http" }>;

/** A server whose record says that it wants tokens. */
export interface OAuthServer {
  readonly record: ServerRecord;
  readonly url: URL;
  readonly settings: OAuthSettings;
}

/** null = the record asks for no token of its own. */
export function oauthServer(record: ServerRecord): OAuthServer | null {
  const { transport } = record;
  const auth = transport.kind === "http" ? authOf(transport) : null;
  if (auth === null || transport.kind !== "http" || !URL.canParse(transport.url)) return null;
  return { record, url: new URL(transport.url), settings: auth };
}

const authOf = (transport: HttpTransport): OAuthSettings | null => transport.auth ?? null;
