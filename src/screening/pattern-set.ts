/** One place where one of the texts stands. */
export interface Match {
  readonly start: number;
  readonly end: number;
}

// 2^14 one-byte entries fit into a core's first cache and stay mostly empty up to some hundred texts.
const tableSize = 1 << 14;
const tableMask = tableSize - 1;
const windowMax = 64;

/**
 * Finds many texts in one pass (the method of Wu and Manber, 1994). It looks at two characters at the end of a window as long as
 * the shortest text; a table says how far the window may move because no text has those two any later. Most windows move by
 * nearly their length, so a text without matches is read at a fraction of its characters, whatever the number of texts.
 */
export class PatternSet {
  private readonly window: number;
  private readonly shift = new Uint8Array(tableSize);
  /** Texts by the pair at the end of their first window, the longest first. */
  private readonly candidates = new Map<number, string[]>();

  /** Every text must have at least two characters. */
  constructor(texts: readonly string[]) {
    this.window = texts.reduce((shortest, text) => Math.min(shortest, text.length), windowMax);
    this.shift.fill(this.window - 1);
    for (const text of texts) {
      for (let i = 1; i < this.window; i++) {
        const at = pair(text.charCodeAt(i - 1), text.charCodeAt(i));
        this.shift[at] = Math.min(this.shift[at] as number, this.window - 1 - i); // the table covers every pair
      }
      const last = pair(text.charCodeAt(this.window - 2), text.charCodeAt(this.window - 1));
      const sharing = this.candidates.get(last);
      if (sharing === undefined) this.candidates.set(last, [text]);
      else sharing.push(text);
    }
    for (const sharing of this.candidates.values()) sharing.sort((a, b) => b.length - a.length);
  }

  /** The first match at or after `from`; of several at one place the longest. */
  next(text: string, from: number): Match | null {
    const { shift, window } = this;
    const { length } = text;
    let end = from + window - 1;
    while (end < length) {
      const at = pair(text.charCodeAt(end - 1), text.charCodeAt(end));
      const skip = shift[at] as number; // the table covers every pair
      if (skip > 0) {
        end += skip;
        continue;
      }
      const start = end - window + 1;
      const found = this.candidates.get(at)?.find((candidate) => text.startsWith(candidate, start));
      if (found !== undefined) return { start, end: start + found.length };
      end++;
    }
    return null;
  }
}

const pair = (a: number, b: number): number => (Math.imul(a, 131) ^ b) & tableMask;
