import { removeKnownSecretsFromJson } from "../screening/index.ts";
import type { CallInput } from "./call.ts";
import type { House } from "./house.ts";
import type { Intended } from "./stages.ts";

/** Progress is shown while the tool still works, so known credentials are taken out of it on the way. */
export const screenedProgress = (call: Intended, house: House): CallInput["onProgress"] =>
  screened(call.input.onProgress, call, house);

/** The same for log messages of the server that belong to the call. */
export const screenedLog = (call: Intended, house: House): CallInput["onLog"] =>
  screened(call.input.onLog, call, house);

function screened(tell: CallInput["onProgress"], call: Intended, house: House): CallInput["onProgress"] {
  if (tell === null) return null;
  return (value) => {
    const shown = withoutSecrets(value, call, house);
    if (shown !== null) tell(shown);
  };
}

/** null = all of it was a credential, and there is nothing left to show. */
export function withoutSecrets<T extends Readonly<Record<string, unknown>>>(
  value: T,
  call: Intended,
  house: House,
): T | null {
  const secrets = house.vault.knownSecrets(call.principal.tenant);
  const { text, removed } = removeKnownSecretsFromJson(JSON.stringify(value), secrets);
  if (removed === 0) return value;
  return text.startsWith("{") ? (JSON.parse(text) as T) : null;
}
