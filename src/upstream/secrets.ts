/** Shorter values than this would blank out ordinary text. */
const secretCharsMin = 4;

export function clearSecrets(text: string, secrets: readonly string[]): string {
  let cleared = text;
  for (const secret of secrets) {
    if (secret.length >= secretCharsMin) cleared = cleared.replaceAll(secret, "[secret]");
  }
  return cleared;
}
