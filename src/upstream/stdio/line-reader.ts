const NEWLINE = 10;
const RETURN = 13;
/** Kept of a line that is too long, from both of its ends, to find out which request it answers. */
const edgeBytes = 1024;

export interface LineListener {
  onLine(line: Buffer): void;
  /** A line beyond the bound has ended; its middle was never kept. */
  onOversize(head: Buffer, tail: Buffer, bytes: number): void;
}

/** Cuts a byte stream into lines. Holds at most `bytesMax` of an unfinished line. */
export class LineReader {
  private readonly bytesMax: number;
  private readonly listener: LineListener;
  private parts: Buffer[] = [];
  private bytes = 0;
  private head: Buffer | null = null; // null = the current line is not too long (yet)
  private tail: Buffer = Buffer.alloc(0);

  constructor(bytesMax: number, listener: LineListener) {
    this.bytesMax = bytesMax;
    this.listener = listener;
  }

  feed(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end === -1) break;
      this.take(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
      this.finish();
      start = end + 1;
    }
    if (start < chunk.length) this.take(chunk.subarray(start));
  }

  private take(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.head === null && this.bytes <= this.bytesMax) {
      this.parts.push(piece);
      return;
    }
    if (this.head === null) {
      const kept = Buffer.concat([...this.parts, piece]);
      this.head = Buffer.from(kept.subarray(0, edgeBytes));
      this.tail = Buffer.from(kept.subarray(-edgeBytes));
      this.parts = [];
    } else {
      this.tail = Buffer.concat([this.tail, piece.subarray(-edgeBytes)]).subarray(-edgeBytes);
    }
  }

  private finish(): void {
    const { parts, bytes, head, tail } = this;
    this.parts = [];
    this.bytes = 0;
    this.head = null;
    this.tail = Buffer.alloc(0);
    if (head !== null) {
      this.listener.onOversize(head, tail, bytes);
      return;
    }
    const first = parts[0];
    if (first === undefined) return;
    const line = parts.length === 1 ? first : Buffer.concat(parts, bytes);
    const trimmed = line[line.length - 1] === RETURN ? line.subarray(0, -1) : line;
    if (trimmed.length > 0) this.listener.onLine(trimmed);
  }
}

/**
 * The id of an answer of which only the two ends are known; null = it does not show. Servers write it first or last. A number
 * that is followed by the last brace stands on the top level.
 */
export function idAtEdges(head: Buffer, tail: Buffer): number | null {
  const first = /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,/.exec(
    head.toString("latin1"),
  );
  const last = /"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/.exec(
    tail.toString("latin1"),
  );
  const digits = first?.[1] ?? last?.[1];
  return digits === undefined ? null : Number(digits);
}
