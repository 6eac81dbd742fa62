import { sha256Hex } from "../../base/index.ts";
import type { ColumnType, Table, Value } from "../table.ts";

/**
 * How our values become PostgreSQL's, where it cannot hold them as they are:
 *  - its text has no U+0000. U+0000 and U+0001 become two characters each, so that order and beginnings stay what they are.
 *  - its indexes hold no long values. In a column of a key or index, a text above `indexedBytesMax` is replaced by its beginning
 *    and a digest; the whole text stands in the row's `_long`. Equal stays equal and different stays different; such texts are
 *    ordered by their beginning, and then by digest.
 */

/** An index entry may have 2,704 bytes; four such columns fit. */
const indexedBytesMax = 600;
const beginningBytes = 300;

/** Beside the declared columns, which all start with a letter. Null where no text of the row is long. */
export const longColumn = "_long";

const escape = "\u0001";
const digestMark = `${escape}\u0003`;
// eslint-disable-next-line no-control-regex
const needsEscape = /[\u0000\u0001]/;

export function encodeText(value: string): string {
  if (!needsEscape.test(value)) return value;
  return value.replaceAll("\u0001", "\u0001\u0002").replaceAll("\u0000", "\u0001\u0001");
}

function decodeText(value: string): string {
  if (!value.includes(escape)) return value;
  return value.replaceAll("\u0001\u0001", "\u0000").replaceAll("\u0001\u0002", "\u0001");
}

/** A text as it stands in a column of a key or index. */
export function encodeIndexed(value: string): string {
  const whole = encodeText(value);
  return isLong(whole) ? shortened(whole) : whole;
}

/** Of a text that is not encoded yet, and without counting its bytes. */
export const mayBeLong = (value: string | null): boolean =>
  value !== null && value.length * 6 > indexedBytesMax;

export const isLong = (encoded: string): boolean =>
  encoded.length * 3 > indexedBytesMax && Buffer.byteLength(encoded) > indexedBytesMax;

export function shortened(encoded: string): string {
  // Cut between characters, and not inside one of our pairs.
  let at = 0;
  let bytes = 0;
  for (const character of encoded) {
    bytes += Buffer.byteLength(character);
    if (bytes > beginningBytes) break;
    at += character.length;
  }
  let escapes = 0;
  while (encoded[at - 1 - escapes] === escape) escapes++;
  return encoded.slice(0, at - (escapes % 2)) + digestMark + sha256Hex(encoded);
}

/** Which columns of a table stand in a key or index. */
export function indexedColumns(table: Table): ReadonlySet<string> {
  if (table.shape === "log") return new Set([table.id, table.partition]);
  return new Set([
    ...table.key,
    ...Object.values(table.unique).flat(),
    ...Object.values(table.indexes).flat(),
  ]);
}

/** The whole of the texts of a row that were shortened, by column. */
export type LongTexts = Record<string, string>;

/** The same as JSON; null when there are none. */
export function longTexts(
  columns: Iterable<string>,
  indexed: ReadonlySet<string>,
  values: readonly Value[],
): string | null {
  let long: LongTexts | null = null;
  let at = 0;
  for (const column of columns) {
    const value = values[at++] ?? null;
    if (typeof value !== "string" || !mayBeLong(value) || !indexed.has(column)) continue;
    const encoded = encodeText(value);
    if (isLong(encoded)) (long ??= {})[column] = encoded;
  }
  return long === null ? null : JSON.stringify(long);
}

/** What the driver gave for a column, as ours. `long` is the row's `_long`. */
export function decodeValue(type: ColumnType, column: string, given: unknown, long: string | null): Value {
  if (given === null || given === undefined) return null;
  if (type !== "text") return given as Value;
  const text = given as string;
  if (!text.includes(escape)) return text;
  if (long !== null && text.includes(digestMark)) {
    const whole = (JSON.parse(long) as LongTexts)[column];
    if (whole !== undefined && shortened(whole) === text) return decodeText(whole);
  }
  return decodeText(text);
}
