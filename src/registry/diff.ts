import { pinnedFields } from "./pin.ts";
import type { ToolDefinition } from "./records.ts";

/** One place where two definitions differ. Values are excerpts of their JSON text, safe to print; null = not there. */
export interface Difference {
  /** JSON pointer (RFC 6901) from the definition down. */
  readonly pointer: string;
  readonly kind: "added" | "removed" | "changed";
  readonly before: string | null;
  readonly after: string | null;
}

export interface DefinitionDiff {
  /** Which of the pinned fields differ, in their order. */
  readonly fields: readonly (typeof pinnedFields)[number][];
  readonly differences: readonly Difference[];
  /** True when there are more differences than are listed. */
  readonly isCut: boolean;
}

/** What a person reads before approving; beyond that the whole definitions are there to be read. */
export const differencesMax = 200;
/** About twelve terminal lines for each side of a difference. */
const excerptMax = 1_000;
const contextCharacters = 40;

/** What changed between two definitions, as far as the pin covers it. Both must be parsed definitions, so their depth is bounded. */
export function diffDefinitions(before: ToolDefinition, after: ToolDefinition): DefinitionDiff {
  const differences: Difference[] = [];
  const fields = pinnedFields.filter((field) => {
    const sofar = differences.length;
    compare(`/${field}`, before[field], after[field], differences);
    return differences.length > sofar || (sofar > differencesMax && !equal(before[field], after[field]));
  });
  return {
    fields,
    differences: differences.slice(0, differencesMax),
    isCut: differences.length > differencesMax,
  };
}

function compare(pointer: string, before: unknown, after: unknown, out: Difference[]): void {
  if (out.length > differencesMax || before === after) return;
  if (before === undefined) {
    out.push({ pointer, kind: "added", before: null, after: excerpt(textOf(after), 0) });
  } else if (after === undefined) {
    out.push({ pointer, kind: "removed", before: excerpt(textOf(before), 0), after: null });
  } else if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(
        `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        own(before, key),
        own(after, key),
        out,
      );
    }
  } else {
    const [from, to] = [textOf(before), textOf(after)];
    const start = Math.max(0, commonStart(from, to) - contextCharacters);
    out.push({
      pointer: printable(pointer),
      kind: "changed",
      before: excerpt(from, start),
      after: excerpt(to, start),
    });
  }
}

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const own = (container: Record<string, unknown>, key: string): unknown =>
  Object.hasOwn(container, key) ? container[key] : undefined;

const textOf = (value: unknown): string => JSON.stringify(value);

/** The part that begins at `start`; a change deep in a long text must not hide behind its beginning. */
function excerpt(text: string, start: number): string {
  const cut = text.slice(start, start + excerptMax);
  const left = text.length - start - cut.length;
  return `${start > 0 ? "…" : ""}${printable(cut)}${left > 0 ? `… (${left} more characters)` : ""}`;
}

/** Nothing that could move a cursor, reverse the text or hide in it reaches the reader as itself. */
export const printable = (text: string): string =>
  text
    .toWellFormed()
    .replace(
      /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
      (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
    );

function commonStart(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  return i;
}

const isContainer = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
