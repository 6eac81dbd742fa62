import type { Note } from "../admin/index.ts";
import type { AuthorizationRequest } from "./authorization-request.ts";
import type { Code } from "./code.ts";
import { destinationOf } from "./redirect-uri.ts";

/** For the ledger: who asked, and where the code went. Never a code, a state or an id that opens anything. */
export const codeNote = (code: Code): Note => ({
  grant: "authorization_code",
  code: code.id,
  client: code.clientName,
  clientHost: code.clientHost,
  sentTo: placeOf(code.redirectUri),
});

export const requestNote = ({ client, redirectUri, scopes }: AuthorizationRequest): Note => ({
  client: client.name,
  clientHost: client.vouchedBy,
  sentTo: placeOf(redirectUri),
  scopes,
});

function placeOf(redirectUri: string): string | null {
  const destination = destinationOf(redirectUri);
  if (destination === null) return null;
  return destination.kind === "program" ? `${destination.scheme}:` : destination.host;
}
