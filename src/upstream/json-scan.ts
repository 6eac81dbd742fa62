/** What the top level of a JSON object looks like, in the text itself. */
export interface TopLevel {
  /** [start, end) of the value of the member "result"; null = there is none. */
  readonly result: readonly [number, number] | null;
  /** A member stands twice, so two parsers could read this text differently; or there are more members than we look at. */
  readonly isAmbiguous: boolean;
  readonly isTooDeep: boolean;
}

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const COMMA = 44;

/**
 * Finds the members of the top-level object of `text`, which must be what JSON.parse has accepted as an object: syntax is not
 * checked again. One pass, nothing is built but the keys of the top level.
 */
export function scanTopLevel(text: string, depthMax: number): TopLevel {
  const keys: string[] = [];
  let result: readonly [number, number] | null = null;
  let isAmbiguous = false;
  let i = text.indexOf("{") + 1;
  for (;;) {
    i = skipSpace(text, i);
    const c = text.charCodeAt(i);
    if (c === COMMA) i = skipSpace(text, i + 1);
    else if (c !== QUOTE) break; // the closing brace
    const keyEnd = endOfString(text, i);
    const key = decodeKey(text.slice(i, keyEnd));
    if (keys.includes(key)) isAmbiguous = true;
    keys.push(key);
    i = skipSpace(text, keyEnd);
    if (text.charCodeAt(i) === COLON) i++;
    const start = skipSpace(text, i);
    const end = endOfValue(text, start, depthMax - 1);
    if (end === -1) return { result: null, isAmbiguous, isTooDeep: true };
    if (key === "result") result = [start, end];
    // A hostile message may have very many members; eight are more than JSON-RPC knows, and keep `includes` cheap.
    if (keys.length > keysMax) return { result: null, isAmbiguous: true, isTooDeep: false };
    i = end;
  }
  return { result, isAmbiguous, isTooDeep: false };
}

const keysMax = 8;

function decodeKey(quoted: string): string {
  return quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

function skipSpace(text: string, from: number): number {
  let i = from;
  while (i < text.length && text.charCodeAt(i) <= 32) i++;
  return i;
}

/** Index after the closing quote. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end + 1;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

/** Index after the value at `start`; -1 = nested deeper than `depthMax`. */
function endOfValue(text: string, start: number, depthMax: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) return endOfLiteral(text, start);
  let depth = 0;
  let i = start;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      i = endOfString(text, i);
      continue;
    }
    if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
      if (++depth > depthMax) return -1;
    } else if ((c === CLOSE_OBJECT || c === CLOSE_ARRAY) && --depth === 0) {
      return i + 1;
    }
    i++;
  }
  return text.length;
}

/** A number, true, false or null ends at a comma, a brace or space. */
function endOfLiteral(text: string, start: number): number {
  let i = start;
  while (i < text.length) {
    const c = text.charCodeAt(i);
    if (c === COMMA || c === CLOSE_OBJECT || c <= 32) break;
    i++;
  }
  return i;
}
