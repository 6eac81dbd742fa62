/**
 * What may stand in a log. Secrets are removed twice, by the name of the key and by the look of the value, because neither is
 * enough alone; characters that let a value pretend to be another line or drive a terminal become visible signs.
 */
const mask = "[secret]";

/** Longest text of one value. A stack trace fits; a payload does not belong in a log. */
const textCharsMax = 4096;
/** Depth and fields per object of what is logged; beyond it a mark says that something was left out. */
const depthMax = 6;
const fieldsMax = 64;

const secretKey =
  /(?:token|secret|passw(?:or)?d|passphrase|authori[sz]ation|cookie|credential|api[-_]?key|private[-_]?key|access[-_]?key|session[-_]?id|signature|salt|kek|\bjwt\b|bearer)/i;
/** Keys that contain one of those words and are no secret. */
const harmlessKey = /^(?:estimatedTokens|tokens|tokensMax|tokenCount|progressToken|secretsMasked|tokenId)$/;

/** Cheap test whether `secretValue` can match at all. */
const suspicious = /bearer|basic|sbk_|eyJ|:\/\/|PRIVATE KEY|[?&#;]/i;
/**
 * Tolerant towards cut ends: a token of which only the beginning is logged is still a token. Every repetition is over one class
 * and bounded by what cannot be part of it, so the time is linear in the text.
 */
const secretValues: readonly (readonly [RegExp, string])[] = [
  [/\bbearer[\s\u2400-\u2426\ufffd]+[^\s"',;]+/gi, `Bearer ${mask}`],
  [/\bbasic[\s\u2400-\u2426\ufffd]+[A-Za-z0-9+/=._~-]{8,}/gi, `Basic ${mask}`],
  [/\bsbk_[A-Za-z0-9_.~+/=-]*/g, mask],
  [/\beyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,4}/g, mask],
  [/:\/\/[^\s/?#"'@]{1,512}@/g, `://${mask}@`],
  [
    /([?&#;][A-Za-z0-9_.-]{0,32}(?:token|secret|key|passw(?:or)?d|code|signature|assertion)=)[^&\s"'#;]+/gi,
    `$1${mask}`,
  ],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, mask],
];

/** C0 and C1 controls, line and paragraph separators, bidirectional overrides, zero-width signs, lone surrogates. */
const unprintable =
  // eslint-disable-next-line no-control-regex -- finding controls is the point
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

/** Text as it may stand in a log: bounded, without secrets, on one line. */
export function cleanText(text: string, charsMax = textCharsMax): string {
  let out = text.length > charsMax ? text.slice(0, charsMax) : text;
  // Controls first: a token must not survive because a line feed was put into "Bearer\n".
  out = out.replace(unprintable, visible);
  if (suspicious.test(out))
    for (const [pattern, replacement] of secretValues) out = out.replace(pattern, replacement);
  return text.length > charsMax ? `${out}… (${text.length} characters)` : out;
}

/** U+2400 has a picture for each C0 control; everything else that must not be there becomes the replacement character. */
function visible(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}

/** A copy of `fields` as it may stand in a log. Errors become their chain of messages and their stack. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out = cleanObject(fields, 0, []);
  // A field must not stand in for the line's own: JSON with a key twice is read differently by different readers.
  for (const name of lineFields) {
    if (!(name in out)) continue;
    out[`${name}_`] = out[name];
    delete out[name];
  }
  return out;
}

const lineFields = ["level", "time", "msg"] as const;

function cleanObject(source: object, depth: number, above: readonly object[]): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let count = 0;
  for (const [key, value] of Object.entries(source)) {
    if (++count > fieldsMax) {
      out["…"] = "more fields";
      break;
    }
    const name = cleanText(key, 128);
    out[name] =
      isSecretKey(key) && value !== null && value !== undefined
        ? mask
        : clean(value, depth, [...above, source]);
  }
  return out;
}

function isSecretKey(key: string): boolean {
  return secretKey.test(key) && !harmlessKey.test(key);
}

function clean(value: unknown, depth: number, above: readonly object[]): unknown {
  switch (typeof value) {
    case "string":
      return cleanText(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
    case "undefined":
      return value;
    case "bigint":
      return value.toString();
    case "symbol":
    case "function":
      return `[${typeof value}]`;
    case "object":
      return value === null ? null : cleanReference(value, depth + 1, above);
  }
}

function cleanReference(value: object, depth: number, above: readonly object[]): unknown {
  if (above.includes(value)) return "[circular]";
  if (depth > depthMax) return "[deeper]";
  if (value instanceof Error) return cleanError(value, depth, [...above, value]);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (value instanceof Map || value instanceof Set) return `[${value.size} items]`;
  if (Array.isArray(value)) {
    const items = value.slice(0, fieldsMax).map((item) => clean(item, depth, [...above, value]));
    return value.length > fieldsMax ? [...items, `… ${value.length - fieldsMax} more`] : items;
  }
  return cleanObject(value, depth, above);
}

function cleanError(error: Error, depth: number, above: readonly object[]): Record<string, unknown> {
  const known = error as Error & { code?: unknown; evidence?: unknown; effect?: unknown };
  return {
    name: cleanText(error.name, 128),
    message: cleanText(error.message),
    ...(known.code === undefined ? {} : { code: clean(known.code, depth, above) }),
    ...(known.effect === undefined ? {} : { effect: clean(known.effect, depth, above) }),
    ...(known.evidence === undefined ? {} : { evidence: clean(known.evidence, depth, above) }),
    ...(error.stack === undefined ? {} : { stack: cleanText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, depth, above) }),
  };
}
