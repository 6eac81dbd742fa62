/** Words that name a credential, between the seams of an environment variable's or header's name. */
const credentialName =
  /(?:^|[_\-.])(?:token|tokens|secret|secrets|passw(?:or)?d|passphrase|pwd|pass|apikey|api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key|private[_-]?key|auth|authorization|credentials?|cookie|session|bearer|pat|dsn|key|connection[_-]?string)(?:$|[_\-.])/i;

/** Names that hold such a word and say where something is, not what it is. */
const harmlessName =
  /(?:^|[_\-.])(?:file|path|dir|url|uri|name|ttl|timeout|type|mode|enabled|public[_-]?key)$/i;

/** Forms that issuers give their credentials so that scanners can find them. */
const credentialForms: readonly RegExp[] = [
  /^(?:Bearer|Basic|Token|Digest)\s+\S{8,}/i,
  /\b(?:sk|pk|rk)[-_](?:live|test|ant|proj|or|svcacct)?[-_]?[A-Za-z0-9_-]{16,}/,
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})/,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\bAIza[A-Za-z0-9_-]{30,}/,
  /\b(?:ntn|secret|lin_api|pat|figd|hf|npm|dop_v1|shpat|SG)[_.][A-Za-z0-9._-]{16,}/,
  /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\./,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /^[a-z][a-z0-9+.-]*:\/\/[^\s:@/]*:[^\s@/]+@/i, // user:password@host
];

/** Longer values are not searched: a credential that long is a file. */
const searchedCharactersMax = 16_384;

/** Whether a name or its value looks like a credential. It errs towards yes: a harmless text in the vault hurts nobody. */
export function looksLikeCredential(name: string, value: string): boolean {
  if (value.trim() === "") return false;
  if (looksLikeCredentialValue(value)) return true;
  const isName = credentialName.test(camelSeams(name)) && !harmlessName.test(camelSeams(name));
  // A flag is no secret, whatever it is called.
  return isName && !/^(?:true|false|yes|no|on|off|0|1|none)$/i.test(value);
}

export function looksLikeCredentialValue(value: string): boolean {
  const searched = value.slice(0, searchedCharactersMax);
  return credentialForms.some((form) => form.test(searched)) || isRandomLooking(value);
}

/** Long, without blanks or path separators, of mixed letters and digits: nobody types that. */
function isRandomLooking(value: string): boolean {
  return (
    value.length >= 32 &&
    value.length <= 512 &&
    /^[A-Za-z0-9+_=-]+$/.test(value) &&
    /[0-9].*[0-9].*[0-9]/.test(value) &&
    /[A-Za-z].*[A-Za-z].*[A-Za-z]/.test(value) &&
    !/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(value)
  );
}

/** apiKey and APIKey read like api_key. */
const camelSeams = (name: string): string =>
  name
    .slice(0, 256)
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2");
