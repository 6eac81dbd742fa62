import { removeKnownSecretsFromJson } from "../screening/index.ts";
import type { CallInput } from "./call.ts";
import type { House } from "./house.ts";
import type { Intended } from "./stages.ts";

/** Progress is shown while the tool still works, so known credentials are taken out of it on the way. */
export function screenedProgress(call: Intended, house: House): CallInput["onProgress"] {
  const { onProgress } = call.input;
  if (onProgress === null) return null;
  return (progress) => {
    const secrets = house.vault.knownSecrets(call.principal.tenant);
    const { text, removed } = removeKnownSecretsFromJson(JSON.stringify(progress), secrets);
    if (removed === 0) onProgress(progress);
    // Where all of it was a credential, there is nothing left to show.
    else if (text.startsWith("{")) onProgress(JSON.parse(text) as Readonly<Record<string, unknown>>);
  };
}
