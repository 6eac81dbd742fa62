/**
 * Where the value of a top-level member stands in the text of a JSON object: [start, end) of the value, or null when the object
 * has no such member, or has it twice. The text must be valid JSON (it has been through JSON.parse). Used to pass a part of a
 * message on byte for byte.
 */
export function memberSpan(text: string, name: string): readonly [start: number, end: number] | null {
  return spanOf(text, name, true);
}

/** Whether there is such a member, once or more often: it looks no further than the first. */
export const hasMember = (text: string, name: string): boolean => spanOf(text, name, false) !== null;

function spanOf(
  text: string,
  name: string,
  mustBeOnly: boolean,
): readonly [start: number, end: number] | null {
  let found: readonly [number, number] | null = null;
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_OBJECT) return null;
  i = skipSpace(text, i + 1);
  while (i < text.length && text.charCodeAt(i) === QUOTE) {
    const keyEnd = endOfString(text, i);
    const key = keyText(text, i, keyEnd);
    const start = skipSpace(text, skipSpace(text, keyEnd + 1) + 1); // past the colon
    const end = endOfValue(text, start);
    if (key === name) {
      if (found !== null) return null;
      found = [start, end];
      if (!mustBeOnly) return found;
    }
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== COMMA) break;
    i = skipSpace(text, i + 1);
  }
  return found;
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

function keyText(text: string, quote: number, end: number): string {
  const raw = text.slice(quote + 1, end);
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw;
}

function skipSpace(text: string, from: number): number {
  let i = from;
  while (i < text.length && text.charCodeAt(i) <= 32) i++;
  return i;
}

/** The place of the closing quote. */
function endOfString(text: string, quote: number): number {
  let end = text.indexOf('"', quote + 1);
  while (end !== -1) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start) + 1;
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
    let i = start;
    for (; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === COMMA || c === CLOSE_OBJECT || c === CLOSE_ARRAY || c <= 32) break;
    }
    return i;
  }
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) i = endOfString(text, i);
    else if (c === OPEN_OBJECT || c === OPEN_ARRAY) depth++;
    else if ((c === CLOSE_OBJECT || c === CLOSE_ARRAY) && --depth === 0) return i + 1;
  }
  return text.length;
}
