import type { Refusal } from "../../contract/index.ts";
import type { Result } from "./result.ts";
import { ok, refuse } from "./result.ts";

/**
 * JSON from strangers. Beyond what JSON.parse refuses, this refuses what two parsers could read differently or what cannot be
 * carried exactly (RFC 8785 section 3.1, RFC 7493): duplicate keys, whole numbers beyond 2^53-1, numbers that overflow, lone
 * surrogates, and `__proto__` as a key; and it bounds depth and the number of values before anything is built.
 *
 * One pass over the text without building anything, then JSON.parse: about twice the cost of JSON.parse alone.
 */
export interface JsonBounds {
  readonly depthMax: number;
  readonly valuesMax: number;
}

/** Depth 64 is four times the deepest schema seen in the field; 100,000 values keep the check under 20 ms. */
const defaultJsonBounds: JsonBounds = { depthMax: 64, valuesMax: 100_000 };

const bad = (detail: string, evidence: Record<string, unknown>): Result<never> =>
  refuse<Refusal>({ code: "malformed-json", detail, evidence });

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Decodes (refusing invalid UTF-8 and, with it, encoded surrogates) and parses. */
export function parseStrictBytes(bytes: Uint8Array, bounds: JsonBounds = defaultJsonBounds): Result<unknown> {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return bad("the body is not valid UTF-8", { bytes: bytes.length });
  }
  return parseStrictJson(text, bounds);
}

export function parseStrictJson(text: string, bounds: JsonBounds = defaultJsonBounds): Result<unknown> {
  if (!text.isWellFormed()) return bad("the text contains a lone surrogate", { length: text.length });
  const problem = scan(text, bounds);
  if (problem !== null) return bad(problem.detail, { at: problem.at });
  try {
    return ok(JSON.parse(text) as unknown);
  } catch {
    return bad("the text is not valid JSON", { length: text.length });
  }
}

interface Problem {
  readonly detail: string;
  readonly at: number;
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const COMMA = 44;
const MINUS = 45;

/**
 * Looks only for what JSON.parse lets through; syntax errors are left to JSON.parse, so on malformed text this may stop early
 * or say nothing. A string is a key when it stands directly after `{` or after a `,` inside an object.
 */
function scan(text: string, bounds: JsonBounds): Problem | null {
  const open = new OpenContainers();
  let values = 0;
  let expectKey = false;
  let nextBackslash = backslashFrom(text, 0);
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      if (nextBackslash < i) nextBackslash = backslashFrom(text, i);
      const end = endOfString(text, i, nextBackslash);
      if (end === -1) return null;
      const escaped = nextBackslash < end;
      if (escaped && hasLoneSurrogateEscape(text.slice(i + 1, end)))
        return { detail: "a string contains a lone surrogate", at: i };
      if (expectKey) {
        const problem = checkKey(text.slice(i + 1, end), escaped, open, i);
        if (problem !== null) return problem;
        expectKey = false;
      } else if (++values > bounds.valuesMax) {
        return { detail: `more than ${bounds.valuesMax} values`, at: i };
      }
      i = end;
    } else if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
      if (open.depth >= bounds.depthMax) return { detail: `nested deeper than ${bounds.depthMax}`, at: i };
      if (++values > bounds.valuesMax) return { detail: `more than ${bounds.valuesMax} values`, at: i };
      open.enter(c === OPEN_OBJECT);
      expectKey = c === OPEN_OBJECT;
    } else if (c === CLOSE_OBJECT || c === CLOSE_ARRAY) {
      open.leave();
      expectKey = false;
    } else if (c === COMMA) {
      expectKey = open.isInObject;
    } else if (c === MINUS || (c >= 48 && c <= 57)) {
      const end = endOfNumber(text, i);
      if (++values > bounds.valuesMax) return { detail: `more than ${bounds.valuesMax} values`, at: i };
      // Fifteen digits and no exponent are always safe.
      if (end - i > 15 || hasExponent(text, i, end)) {
        const value = Number(text.slice(i, end));
        if (!Number.isFinite(value)) return { detail: "a number is too large", at: i };
        if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
          return {
            detail: `the whole number ${text.slice(i, Math.min(end, i + 40))} is beyond 2^53-1`,
            at: i,
          };
        }
      }
      i = end - 1;
    }
  }
  return null;
}

function checkKey(raw: string, escaped: boolean, open: OpenContainers, at: number): Problem | null {
  let key = raw;
  if (escaped) {
    try {
      key = JSON.parse(`"${raw}"`) as string;
    } catch {
      return null;
    }
  }
  if (key === "__proto__") return { detail: 'the key "__proto__" is not accepted', at };
  if (!open.addKey(key))
    return { detail: `the key ${JSON.stringify(key.slice(0, 60))} stands twice in one object`, at };
  return null;
}

/** Beyond this many keys, comparing with each of them costs more than a Set. */
const fewKeysMax = 16;
/** In the place of where an array's keys begin. */
const inArray = -1;

/**
 * The containers around the place that is looked at, and the keys seen in each. One list holds the keys of all that are open, the
 * innermost object's last: nearly all objects have few keys, and a list for each would cost more than everything else here.
 */
class OpenContainers {
  private readonly keys: string[] = [];
  private readonly begins: number[] = [];
  /** For objects with many keys, by depth. */
  private readonly sets: Set<string>[] = [];

  get depth(): number {
    return this.begins.length;
  }

  get isInObject(): boolean {
    return this.depth > 0 && this.begins[this.depth - 1] !== inArray;
  }

  enter(isObject: boolean): void {
    this.begins.push(isObject ? this.keys.length : inArray);
  }

  leave(): void {
    const begin = this.begins.pop() ?? inArray;
    if (begin === inArray) return;
    this.keys.length = begin;
    if (this.sets.length > this.depth) this.sets.length = this.depth;
  }

  /** Into the innermost object; false when it was there. */
  addKey(key: string): boolean {
    const begin = this.begins[this.depth - 1] ?? inArray;
    if (begin === inArray) return true; // a syntax error, JSON.parse will say so
    const set = this.sets[this.depth - 1];
    if (set !== undefined) return set.size < set.add(key).size;
    if (this.keys.includes(key, begin)) return false;
    this.keys.push(key);
    if (this.keys.length - begin > fewKeysMax) this.sets[this.depth - 1] = new Set(this.keys.slice(begin));
    return true;
  }
}

/** Where the next backslash stands; behind the end when there is none. */
function backslashFrom(text: string, from: number): number {
  const at = text.indexOf("\\", from);
  return at === -1 ? text.length : at;
}

function endOfString(text: string, start: number, nextBackslash: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > nextBackslash) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return end;
}

function endOfNumber(text: string, start: number): number {
  let i = start + 1;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    const isPart = (c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46 || c === 69 || c === 101;
    if (!isPart) break;
  }
  return i;
}

function hasExponent(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 69 || c === 101) return true;
  }
  return false;
}

function hasLoneSurrogateEscape(raw: string): boolean {
  try {
    return !(JSON.parse(`"${raw}"`) as string).isWellFormed();
  } catch {
    return false; // a syntax error, JSON.parse will say so
  }
}
