/** Larger than any body a node accepts by default (4 MiB), with room for one that accepts more. */
const lineBytesMax = 16 * 1024 * 1024;

/** Bytes into lines. A line beyond the bound is left out whole, and said. */
export class Lines {
  private readonly onLine: (line: string) => void;
  private readonly onTooLong: (bytesMax: number) => void;
  private chunks: Buffer[] = [];
  private bytes = 0;
  private isTooLong = false;

  constructor(onLine: (line: string) => void, onTooLong: (bytesMax: number) => void) {
    this.onLine = onLine;
    this.onTooLong = onTooLong;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.add(chunk.subarray(start, end));
      this.finish();
      start = end + 1;
    }
    this.add(chunk.subarray(start));
  }

  /** What was begun when the input ended is a line as well. */
  end(): void {
    this.finish();
  }

  private add(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > lineBytesMax) {
      if (!this.isTooLong) this.onTooLong(lineBytesMax);
      this.isTooLong = true;
      this.chunks = [];
    } else if (part.length > 0) this.chunks.push(part);
  }

  private finish(): void {
    const line = this.isTooLong ? "" : Buffer.concat(this.chunks).toString("utf8").trim();
    this.chunks = [];
    this.bytes = 0;
    this.isTooLong = false;
    if (line !== "") this.onLine(line);
  }
}
