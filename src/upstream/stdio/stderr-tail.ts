import type { Clock, MonotonicMs } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";

const lineCharsMax = 2_000;

/** Keeps the newest bytes of a child's stderr and hands on a bounded number of lines per second. A flood costs a copy, no more. */
export class StderrTail {
  private readonly bytesMax: number;
  private readonly linesPerSecondMax: number;
  private readonly clock: Clock;
  private readonly onLine: (line: string) => void;
  private readonly onDropped: () => void;
  private chunks: Buffer[] = [];
  private bytes = 0;
  private windowAt: MonotonicMs;
  private linesLeft: number;
  private partial = "";

  constructor(options: {
    readonly bytesMax: number;
    readonly linesPerSecondMax: number;
    readonly clock: Clock;
    readonly onLine: (line: string) => void;
    readonly onDropped: () => void;
  }) {
    this.bytesMax = options.bytesMax;
    this.linesPerSecondMax = options.linesPerSecondMax;
    this.clock = options.clock;
    this.onLine = options.onLine;
    this.onDropped = options.onDropped;
    this.windowAt = options.clock.monotonic();
    this.linesLeft = options.linesPerSecondMax;
  }

  feed(chunk: Buffer): void {
    this.keep(chunk);
    const now = this.clock.monotonic();
    if (elapsedMs(now, this.windowAt) >= 1_000) {
      this.windowAt = now;
      this.linesLeft = this.linesPerSecondMax;
    }
    if (this.linesLeft === 0) {
      this.partial = "";
      this.onDropped();
      return;
    }
    this.handOn(chunk.subarray(0, this.linesLeft * lineCharsMax).toString("utf8"));
  }

  /** The last line with something in it, or the error that Node printed above its own version; "" = there is none. */
  lastLine(): string {
    const text = Buffer.concat(this.chunks).subarray(-lineCharsMax).toString("utf8").trimEnd();
    const lines = text.split("\n");
    const last = lines.at(-1) ?? "";
    if (!/^Node\.js v\d/.test(last)) return last;
    return lines.findLast((line) => /^\w*Error\b/.test(line))?.trimEnd() ?? last;
  }

  /** All that is kept. */
  text(): string {
    return Buffer.concat(this.chunks).toString("utf8");
  }

  private keep(chunk: Buffer): void {
    // A copy, because a short chunk would hold on to the whole buffer it was cut from.
    const piece = Buffer.from(chunk.subarray(-this.bytesMax));
    this.chunks.push(piece);
    this.bytes += piece.length;
    if (this.bytes <= this.bytesMax * 2 && this.chunks.length < 1_000) return;
    const joined = Buffer.concat(this.chunks).subarray(-this.bytesMax);
    this.chunks = [Buffer.from(joined)];
    this.bytes = joined.length;
  }

  private handOn(text: string): void {
    const lines = (this.partial + text).split("\n");
    this.partial = (lines.pop() ?? "").slice(0, lineCharsMax);
    for (const line of lines) {
      if (line.trim() === "") continue;
      if (this.linesLeft === 0) {
        this.onDropped();
        return;
      }
      this.linesLeft--;
      this.onLine(line.slice(0, lineCharsMax).trimEnd());
    }
  }
}
