import { closeSync, open, write } from "node:fs";
import type { CancelTimer, Clock } from "../base/index.ts";

/** Where lines go: standard error, or a file that is appended to. */
export type Destination = { readonly kind: "stderr" } | { readonly kind: "file"; readonly path: string };

export interface SinkStats {
  readonly linesWritten: number;
  readonly linesDropped: number;
  readonly bytesWaiting: number;
}

/** After a sink said "not now" or failed, wait this long. */
const retryAfterMs = 50;
/**
 * Lines leave together, at the latest after this time: a write of its own costs a line 10 to 15 µs, on this thread and on one of
 * the pool, many at once next to nothing. A process that is killed loses what it logged in this time, and its ledger nothing.
 */
const gatherMs = 10;
/** More than this does not wait: as much as one write takes well. */
const gatherCharsMax = 65_536;
/** What a line that is not made yet counts for: more than nearly all lines have, and about what is kept to make one. */
const unmadeChars = 1_024;

/**
 * A line, or what makes it when it is written. Measured: lines made one after the other take 3 to 5 µs less each than lines made in
 * between other things, and whoever waits for an answer does not wait for its line.
 */
export type Line = string | (() => string);

/**
 * Lines on their way out. `write` only appends to memory; one asynchronous write at a time empties it. When the sink blocks
 * and more than `bytesMax` wait, new lines are dropped and counted: a full disk must not stop a call or fill the memory.
 */
export class Sink {
  private readonly destination: Destination;
  private readonly clock: Clock;
  private readonly bytesMax: number;
  private readonly afterWrite: Set<() => void> = new Set();
  private pending: Line[] = [];
  private pendingChars = 0;
  private inFlightBytes = 0;
  private fd: number | null = null;
  private state: "new" | "opening" | "idle" | "gathering" | "writing" | "waiting" | "closed" = "new";
  /** Of what is set for later: a write that gathers, or a retry. */
  private cancelLater: CancelTimer | null = null;
  private linesWritten = 0;
  private linesDropped = 0;

  constructor(options: { destination: Destination; clock: Clock; bytesMax: number }) {
    this.destination = options.destination;
    this.clock = options.clock;
    this.bytesMax = options.bytesMax;
  }

  /** `line` ends with a line feed. Its length stands for its bytes: what we log is nearly always ASCII. */
  write(line: Line): void {
    const chars = typeof line === "string" ? line.length : unmadeChars;
    if (this.state === "closed" || this.bytesWaiting + chars > this.bytesMax) {
      this.linesDropped++;
      return;
    }
    this.pending.push(line);
    this.pendingChars += chars;
    if (this.state === "new") this.open();
    else if (this.state === "idle") this.gather();
    else if (this.state === "gathering" && this.pendingChars > gatherCharsMax) this.next();
  }

  stats(): SinkStats {
    return {
      linesWritten: this.linesWritten,
      linesDropped: this.linesDropped,
      bytesWaiting: this.bytesWaiting,
    };
  }

  private get bytesWaiting(): number {
    return this.pendingChars + this.inFlightBytes;
  }

  /** Resolves when what waits now is written, or after `graceMs`, whichever comes first; then takes nothing more. */
  async close(graceMs: number): Promise<void> {
    if (this.state === "closed") return;
    if (this.state === "gathering") this.next();
    if (this.bytesWaiting > 0) await this.drained(graceMs);
    this.linesDropped += this.pending.length;
    this.pending = [];
    this.pendingChars = 0;
    const writing = this.state === "writing" || this.state === "opening";
    this.state = "closed";
    this.cancelLater?.();
    // A write that still hangs keeps its descriptor; closing it under the write could hit a reused number.
    if (this.fd !== null && this.destination.kind === "file" && !writing) closeSync(this.fd);
  }

  private drained(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.afterWrite.delete(check);
        resolve();
      };
      const check = () => {
        if (this.bytesWaiting === 0) done();
      };
      const cancel = this.clock.after(graceMs, done);
      this.afterWrite.add(check);
    });
  }

  private open(): void {
    if (this.destination.kind === "stderr") {
      this.fd = 2;
      this.next();
      return;
    }
    this.state = "opening";
    open(this.destination.path, "a", 0o600, (error, fd) => {
      if (this.state === "closed") {
        if (error === null) closeSync(fd);
        return;
      }
      if (error !== null) {
        this.later("new");
        return;
      }
      this.fd = fd;
      this.next();
    });
  }

  private gather(): void {
    this.state = "gathering";
    this.cancelLater = this.clock.after(gatherMs, () => this.next());
  }

  private next(): void {
    this.cancelLater?.();
    if (this.pending.length === 0) {
      this.state = "idle";
      return;
    }
    const lines = this.pending;
    this.pending = [];
    this.pendingChars = 0;
    // One string: engines append without copying, and it is made flat once.
    let text = "";
    for (const line of lines) text += typeof line === "string" ? line : line();
    const bytes = Buffer.from(text, "utf8");
    this.inFlightBytes = bytes.length;
    this.send(bytes, lines.length);
  }

  private send(bytes: Buffer, lines: number): void {
    this.state = "writing";
    write(this.fd ?? 2, bytes, 0, bytes.length, null, (error, written) => {
      if (this.state === "closed") return;
      if (error === null && written === bytes.length) {
        this.linesWritten += lines;
        this.inFlightBytes = 0;
        // While somebody waits for the end, nothing is gathered.
        if (this.pending.length === 0) this.state = "idle";
        else if (this.afterWrite.size > 0) this.next();
        else this.gather();
        for (const check of this.afterWrite) check();
        return;
      }
      // A short write, a full pipe or a full disk: the rest goes later, in order.
      const rest = error === null ? bytes.subarray(written) : bytes;
      this.state = "waiting";
      this.cancelLater = this.clock.after(error === null ? 0 : retryAfterMs, () => this.send(rest, lines));
    });
  }

  private later(state: "new"): void {
    this.state = "waiting";
    this.cancelLater = this.clock.after(retryAfterMs, () => {
      this.state = state;
      if (this.pending.length > 0) this.open();
    });
  }
}
