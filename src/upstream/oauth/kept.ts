import { Fault } from "../../base/index.ts";
import type { OAuthContext, OAuthServer } from "./context.ts";
import type { Credential, Grant } from "./credential.ts";
import { credentialText, noCredential, readCredential } from "./credential.ts";

export interface Kept {
  readonly credential: Credential;
  /** null = nothing is kept. */
  readonly version: number | null;
}

/** Other nodes write the same credential: so often it is read again and the change made anew. */
const writeAttemptsMax = 3;

export async function readKept({ credentials }: OAuthContext, { record }: OAuthServer): Promise<Kept> {
  const kept = await credentials.read(record);
  return kept === null
    ? { credential: noCredential, version: null }
    : { credential: readCredential(kept.text), version: kept.version };
}

/** The change is made anew when another node wrote first. */
export async function keepChange(
  context: OAuthContext,
  server: OAuthServer,
  kept: Kept,
  change: (credential: Credential) => Credential,
): Promise<void> {
  let { credential, version } = kept;
  for (let attempt = 1; ; attempt++) {
    try {
      await context.credentials.write(server.record, credentialText(change(credential)), version);
      return;
    } catch (thrown) {
      const isRace = thrown instanceof Fault && thrown.code === "conflict";
      if (!isRace || attempt >= writeAttemptsMax) throw thrown;
      ({ credential, version } = await readKept(context, server));
    }
  }
}

/** A grant for another address, or of another authorization server or client than the record names, is none. */
export function usableGrant({ settings, url }: OAuthServer, grant: Grant | null): Grant | null {
  if (grant === null || grant.serverUrl !== url.href) return null;
  if (settings.clientId !== undefined && settings.clientId !== grant.clientId) return null;
  const { issuer } = settings;
  return issuer === undefined || issuer.replace(/\/$/, "") === grant.issuer.replace(/\/$/, "") ? grant : null;
}
