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

function findAll(text: string, secrets: readonly string[]): Match[] {
  const matches: Match[] = [];
  const patterns = patternsFor(secrets);
  if (patterns === null) return matches;
  for (let match = patterns.next(text, 0); match !== null; match = patterns.next(text, match.end)) {
    matches.push(match);
  }
  return matches;
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
      if (secret.length >= secretCharsMin) for (const form of formsOf(secret)) forms.add(form);
    }
    entry = { patterns: forms.size === 0 ? null : new PatternSet([...forms]) };
    prepared.set(secrets, entry);
  }
  return entry.patterns;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
