/**
 * Secrets shorter than this are not looked for: a word of seven letters turns up in ordinary text, and blanking it would damage
 * results and tell which word it is.
 */
export const secretCharsMin = 8;

/**
 * The ways a secret may stand in a tool's JSON: as it is, escaped once or twice (results often carry JSON inside a JSON string),
 * with every non-ASCII character escaped, in URLs and forms, and inside base64 of something longer, in either alphabet. What escapes
 * more than it must is looked at decoded (`decoded.ts`). Not found: a secret in pieces, encrypted, compressed, in base64 broken into
 * lines, or in an encoding not named here.
 */
export function formsOf(secret: string): ReadonlySet<string> {
  const forms = new Set<string>();
  for (const part of [secret, ...credentialsIn(secret)])
    if (part.length >= secretCharsMin) addForms(part, forms);
  return forms;
}

/**
 * What a secret that is the whole value of a header or the address of a database keeps secret: a server that repeats it repeats that
 * part alone (RFC 9110 section 11.4, RFC 7617, RFC 3986 section 3.2.1).
 */
function credentialsIn(secret: string): readonly string[] {
  const [, scheme, credential] = /^([A-Za-z][\w-]*) +(\S+)\s*$/.exec(secret) ?? [];
  if (scheme !== undefined && credential !== undefined) {
    // Two words of a language are no scheme and its credential.
    if (!/[^A-Za-z]/.test(credential)) return [];
    if (scheme.toLowerCase() !== "basic") return [credential];
    const pair = Buffer.from(credential, "base64").toString();
    return [credential, pair, pair.slice(pair.indexOf(":") + 1)];
  }
  const password = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s/?#@:]*:([^\s/?#]+)@/.exec(secret)?.[1];
  return password === undefined ? [] : [password, percentDecoded(password)];
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function addForms(secret: string, forms: Set<string>): void {
  for (const text of [secret, asciiOnly(secret)]) {
    forms.add(text);
  }
  for (const escape of [escaped, (text: string) => asciiOnly(escaped(text))]) {
    const once = escape(secret);
    forms.add(once);
    forms.add(escaped(once));
  }
  const url = encodeURIComponent(secret);
  for (const text of [url, url.replaceAll("%20", "+")]) {
    forms.add(text);
    forms.add(text.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()));
  }
  for (const text of base64Cores(secret)) {
    forms.add(text);
    forms.add(text.replaceAll("+", "-").replaceAll("/", "_"));
    forms.add(text.replaceAll("/", "\\/")); // some JSON writers escape the slash
  }
}

const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);

const asciiOnly = (text: string): string =>
  text.replace(
    /[^\x20-\x7e\n\r\t]/g,
    (unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/**
 * The base64 characters that depend on the secret alone, for each of the three places it can have within a longer text. A
 * character holds 6 bits, a byte 8: what a character shares with a neighbour is left out.
 */
function base64Cores(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const firstOwn = Math.ceil((before * 8) / 6);
    const firstForeign = Math.floor(((before + bytes.length) * 8) / 6);
    return encoded.slice(firstOwn, firstForeign);
  });
}
