/**
 * screening: pure functions over arguments, results and descriptions. Here so far: taking known secrets out of results. Holds
 * nothing but what it prepared for an array of secrets (gone with the array), opens nothing, emits nothing, gives no errors.
 *
 * Bounds: secrets under 8 characters are not looked for; time is linear in the text, whatever the number of secrets.
 */
export { removeKnownSecrets, removeKnownSecretsFromJson } from "./remove-secrets.ts";
export type { Screened } from "./remove-secrets.ts";
