import { decoded } from "./decoded.ts";
import { replaceInJson } from "./json-edits.ts";
import type { Match } from "./pattern-set.ts";
import { PatternSet } from "./pattern-set.ts";
import { formsOf, secretCharsMin } from "./secret-forms.ts";

export interface Screened {
  readonly text: string;
  /** Places where a secret stood. */
  readonly removed: number;
}

/** What stands where a secret was: the same word a secret prints as. */
const secretMark = "[secret]";

/** Replaces every known form of every secret. `secrets` is prepared once per array, so hand in the same array while it is the same. */
export function removeKnownSecrets(text: string, secrets: readonly string[]): Screened {
  const matches = findAll(text, secrets);
  if (matches.length === 0) return { text, removed: 0 };
  return { text: replaceAll(text, matches), removed: matches.length };
}

/**
 * The same for JSON text, which stays JSON. A text without secrets comes back as it is, byte for byte. Where a secret reaches
 * beyond the inside of a string (a number, or a whole object that is the secret), the smallest value around it becomes the mark;
 * that can be the outermost value.
 */
export function removeKnownSecretsFromJson(json: string, secrets: readonly string[]): Screened {
  const matches = findAll(json, secrets);
  if (matches.length === 0) return { text: json, removed: 0 };
  const simply = replaceAll(json, matches);
  const text = isJson(simply) ? simply : replaceInJson(json, matches, secretMark);
  return { text, removed: matches.length };
}

/** JSON inside a string of JSON, with an address in it: deeper is nobody's habit. */
const decodingsMax = 3;

/** As they were sent, and as they read once what is escaped is not: in the text as it was sent, in order, none over another. */
function findAll(text: string, secrets: readonly string[]): Match[] {
  const patterns = patternsFor(secrets);
  if (patterns === null) return [];
  const matches = matchesIn(text, patterns);
  let plain = decoded(text);
  let sentAt = (index: number): number => index;
  let found = 0;
  for (let level = 1; plain !== null; level++) {
    const { text: read, sentAt: within } = plain;
    const outer = sentAt;
    sentAt = (index) => outer(within(index));
    for (const { start, end } of matchesIn(read, patterns)) {
      matches.push({ start: sentAt(start), end: sentAt(end) });
      found++;
    }
    plain = level < decodingsMax ? decoded(read) : null;
  }
  return found === 0 ? matches : withoutOverlap(matches);
}

function matchesIn(text: string, patterns: PatternSet): Match[] {
  const matches: Match[] = [];
  for (let match = patterns.next(text, 0); match !== null; match = patterns.next(text, match.end)) {
    matches.push(match);
  }
  return matches;
}

function withoutOverlap(matches: readonly Match[]): Match[] {
  const apart: Match[] = [];
  for (const { start, end } of matches.toSorted((one, other) => one.start - other.start)) {
    const last = apart.at(-1);
    if (last === undefined || start >= last.end) apart.push({ start, end });
    else if (end > last.end) apart[apart.length - 1] = { start: last.start, end };
  }
  return apart;
}

function replaceAll(text: string, matches: readonly Match[]): string {
  let from = 0;
  let out = "";
  for (const { start, end } of matches) {
    out += text.slice(from, start) + secretMark;
    from = end;
  }
  return out + text.slice(from);
}

const prepared = new WeakMap<readonly string[], { readonly patterns: PatternSet | null }>();

function patternsFor(secrets: readonly string[]): PatternSet | null {
  if (secrets.length === 0) return null;
  let entry = prepared.get(secrets);
  if (entry === undefined) {
    const forms = new Set<string>();
    for (const secret of secrets) {
      if (secret.length < secretCharsMin) continue;
      for (const form of formsOf(secret)) forms.add(form);
      for (const form of readForms(secret)) forms.add(form);
    }
    entry = { patterns: forms.size === 0 ? null : new PatternSet([...forms]) };
    prepared.set(secrets, entry);
  }
  return entry.patterns;
}

/** A secret that itself looks escaped is another one where the text around it is decoded. */
function readForms(secret: string): string[] {
  const forms: string[] = [];
  for (
    let plain = decoded(secret);
    plain !== null && forms.length < decodingsMax;
    plain = decoded(plain.text)
  ) {
    if (plain.text.length >= secretCharsMin) forms.push(plain.text);
  }
  return forms;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
