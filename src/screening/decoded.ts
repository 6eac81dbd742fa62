/** A text as whoever reads it decodes it, and where each place of it stands in the text as it was sent. */
export interface Decoded {
  readonly text: string;
  /** Of a place in `text`, also of its end. */
  readonly sentAt: (index: number) => number;
}

/**
 * Once around: escapes of JSON, of URLs and of markup. A writer is free to write any character so, and most escape some that need it
 * not: PHP every slash, .NET every plus. null = there is nothing like it. One pass, character by character: a result can be nothing but
 * escapes.
 */
export function decoded(sent: string): Decoded | null {
  if (!marks.some((mark) => sent.includes(mark))) return null;
  const units = new Uint16Array(sent.length);
  // After each escape: the place in the decoded text, and in the sent one.
  const ends: number[] = [];
  const sentEnds: number[] = [];
  let length = 0;
  for (let at = 0; at < sent.length;) {
    const first = sent.charCodeAt(at);
    const escape =
      first === BACKSLASH || first === PERCENT || first === AMPERSAND ? escapeAt(sent, at) : null;
    if (escape === null) {
      units[length++] = first;
      at++;
      continue;
    }
    if (escape.code > 0xffff) units[length++] = 0xd800 + ((escape.code - 0x10000) >> 10);
    units[length++] = escape.code > 0xffff ? 0xdc00 + (escape.code & 0x3ff) : escape.code;
    at = escape.end;
    ends.push(length);
    sentEnds.push(at);
  }
  if (ends.length === 0) return null;
  const text = Buffer.from(units.buffer, 0, length * 2).toString("utf16le");
  return { text, sentAt: (index) => sentAt(index, ends, sentEnds) };
}

const marks: readonly string[] = ["\\u", "\\/", "%", "&"];
const BACKSLASH = 92;
const PERCENT = 37;
const AMPERSAND = 38;

function sentAt(index: number, ends: readonly number[], sentEnds: readonly number[]): number {
  let low = 0; // how many escapes have ended by then
  for (let high = ends.length; low < high;) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? index : (sentEnds[low - 1] ?? 0) + index - (ends[low - 1] ?? 0);
}

interface Escape {
  readonly code: number;
  readonly end: number;
}

function escapeAt(sent: string, at: number): Escape | null {
  switch (sent.charCodeAt(at)) {
    case BACKSLASH:
      return jsonEscape(sent, at);
    case PERCENT:
      return percentEscape(sent, at);
    case AMPERSAND:
      return markupEscape(sent, at);
  }
  return null;
}

const jsonShorts = new Map(
  Object.entries({ '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" }).map(
    ([short, plain]) => [short.charCodeAt(0), plain.charCodeAt(0)],
  ),
);

function jsonEscape(sent: string, at: number): Escape | null {
  const next = sent.charCodeAt(at + 1);
  const short = jsonShorts.get(next);
  if (short !== undefined) return { code: short, end: at + 2 };
  const code = next === 117 ? hexAt(sent, at + 2, 4) : -1; // \u
  return code === -1 ? null : { code, end: at + 6 };
}

/** One character of UTF-8 (RFC 3629), in one to four bytes. */
function percentEscape(sent: string, at: number): Escape | null {
  const lead = hexAt(sent, at + 1, 2);
  if (lead === -1) return null;
  if (lead < 0x80) return { code: lead, end: at + 3 };
  const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc2 ? 1 : 0;
  if (more === 0) return null;
  let code = lead & (0x3f >> more);
  for (let i = 1; i <= more; i++) {
    const byte = sent.charCodeAt(at + 3 * i) === PERCENT ? hexAt(sent, at + 3 * i + 1, 2) : -1;
    if (byte < 0x80 || byte > 0xbf) return null;
    code = (code << 6) | (byte & 0x3f);
  }
  return code > 0x10ffff ? null : { code, end: at + 3 * (more + 1) };
}

const entities: readonly (readonly [string, number])[] = [
  ["&amp;", 38],
  ["&lt;", 60],
  ["&gt;", 62],
  ["&quot;", 34],
  ["&apos;", 39],
];
/** Of a number between `&#` and `;`, with the x of a hexadecimal one. More zeros in front are nobody's habit. */
const numberCharsMax = 8;

function markupEscape(sent: string, at: number): Escape | null {
  if (sent.charAt(at + 1) !== "#") {
    const entity = entities.find(([name]) => sent.startsWith(name, at));
    return entity === undefined ? null : { code: entity[1], end: at + entity[0].length };
  }
  const isHex = /x/i.test(sent.charAt(at + 2));
  let code = 0;
  for (let i = at + (isHex ? 3 : 2); i <= at + 2 + numberCharsMax; i++) {
    if (sent.charAt(i) === ";") return { code, end: i + 1 };
    const digit = hexAt(sent, i, 1);
    if (digit === -1 || (digit > 9 && !isHex)) return null;
    code = code * (isHex ? 16 : 10) + digit;
    if (code > 0x10ffff) return null;
  }
  return null;
}

/** -1 = there are not so many digits. */
function hexAt(text: string, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    const c = text.charCodeAt(i);
    const lower = c | 32;
    if (c >= 48 && c <= 57) value = value * 16 + c - 48;
    else if (lower >= 97 && lower <= 102) value = value * 16 + lower - 87;
    else return -1;
  }
  return value;
}
