import type { Row, Value } from "../table.ts";

/** How every store orders values of one column: null first, integers by size, text by code point, blobs by byte. */
export function compareValues(a: Value, b: Value): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  return Buffer.compare(a as Uint8Array, b as Uint8Array);
}

/** By code point (as UTF-8 bytes sort), where JavaScript's `<` goes by UTF-16 unit and puts U+1F600 before U+FFFD. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(x) ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

function compareRows(columns: readonly string[]): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const column of columns) {
      const order = compareValues(a[column] ?? null, b[column] ?? null);
      if (order !== 0) return order;
    }
    return 0;
  };
}

export const isEqual = (a: Value, b: Value): boolean => compareValues(a, b) === 0;

/** Rows in order, found by binary search. `columns` must tell any two rows apart. */
export class SortedRows {
  readonly rows: Row[] = [];
  private readonly compare: (a: Row, b: Row) => number;

  constructor(columns: readonly string[]) {
    this.compare = compareRows(columns);
  }

  add(row: Row): void {
    this.rows.splice(
      this.firstWhere((other) => this.compare(other, row) >= 0),
      0,
      row,
    );
  }

  remove(row: Row): void {
    this.rows.splice(
      this.firstWhere((other) => this.compare(other, row) >= 0),
      1,
    );
  }

  /** The rows for which `side` is 0, in order. `side` says whether a row lies before (-1), in (0) or after (1) the range. */
  range(side: (row: Row) => number, limit: number, isDescending: boolean): Row[] {
    const start = this.firstWhere((row) => side(row) >= 0);
    const end = this.firstWhere((row) => side(row) > 0);
    if (!isDescending) return this.rows.slice(start, Math.min(end, start + limit));
    return this.rows.slice(Math.max(start, end - limit), end).reverse();
  }

  private firstWhere(isSo: (row: Row) => boolean): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isSo(this.rows[middle] as Row)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
