import type { ColumnType, Value } from "../table.ts";

/** A whole column of values as one parameter, in PostgreSQL's binary form: nothing to quote, and nothing for it to parse. */

const oids = { text: 25, integer: 20, blob: 17 } as const satisfies Record<ColumnType, number>;
const int4 = 23;
/** Dimensions, whether there are nulls, element type, length, lower bound. */
const headBytes = 20;

export function arrayOf(type: ColumnType, values: readonly Value[]): Buffer {
  const lengths = values.map((value) => bytesOf(type, value));
  let size = headBytes;
  for (const length of lengths) size += 4 + Math.max(0, length);
  const array = head(oids[type], values.length, size);
  let at = headBytes;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? null;
    const length = lengths[i] as number;
    at = array.writeInt32BE(length, at);
    if (value === null) continue;
    if (typeof value === "string") array.write(value, at, "utf8");
    else if (typeof value === "number") writeInteger(array, value, at);
    else array.set(value, at);
    at += length;
  }
  return array;
}

/**
 * Texts of plain characters (U+0002 to U+007F), which is nearly all there are: they need no encoding and are written as one, then the
 * lengths between them. null = some text has others.
 */
export function plainTexts(values: readonly (string | null)[]): Buffer | null {
  const joined = values.join(lengthPlace);
  if (joined.includes("\u0000") || joined.includes("\u0001")) return null;
  if (Buffer.byteLength(joined) > joined.length) return null;
  const array = head(oids.text, values.length, headBytes + lengthPlace.length + joined.length);
  array.write(joined, headBytes + lengthPlace.length, "latin1");
  let at = headBytes;
  for (const value of values) {
    at = array.writeInt32BE(value?.length ?? -1, at);
    if (value !== null) at += value.length;
  }
  return array;
}

/** As many bytes as the length of a value has. */
const lengthPlace = "\u0002".repeat(4);

/** 1, 2, … count: which row a value belongs to. */
export function ordinals(count: number): Buffer {
  const array = head(int4, count, headBytes + 8 * count);
  let at = headBytes;
  for (let i = 1; i <= count; i++) {
    at = array.writeInt32BE(4, at);
    at = array.writeInt32BE(i, at);
  }
  return array;
}

function head(oid: number, count: number, size: number): Buffer {
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(oid, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array;
}

function bytesOf(type: ColumnType, value: Value): number {
  if (value === null) return -1;
  if (type === "integer") return 8;
  return typeof value === "string" ? Buffer.byteLength(value) : (value as Uint8Array).byteLength;
}

function writeInteger(array: Buffer, value: number, at: number): void {
  array.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
  array.writeUInt32BE(value >>> 0, at + 4);
}
