import type { McpResponse } from "../exchange.ts";
import type { CancelTimer, Clock, MonotonicMs, Random } from "../../base/index.ts";
import { elapsedMs, newId } from "../../base/index.ts";

/** A client that lost its stream comes back within seconds; one that lost its network, within a minute or not at all. */
const keptMs = 60_000;
/** All answers that are kept on this node: thousands of ordinary ones. The oldest makes room. */
export const keptCharsMax = 16 * 1024 * 1024;
/** What an answer takes besides its text. */
const overheadChars = 512;

/** An answer that is not there yet. */
export interface Resumable {
  /** Goes on at this response. */
  resume(response: McpResponse): void;
}

interface Kept {
  readonly session: string;
  readonly text: string;
  readonly at: MonotonicMs;
}

/**
 * Answers whose streams may break (2025-11-25, transports, "Resumability and Redelivery"). A stream begins with an event that names it;
 * who comes back with that name, in the same session and to the same node, hears what comes from then on, and the answer. An answer is
 * kept for a while after it was sent: what the network took is not always what the client got.
 */
export class Resumptions {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly open = new Map<string, { readonly session: string; readonly reply: Resumable }>();
  /** The oldest first. */
  private readonly kept = new Map<string, Kept>();
  private chars = 0;
  private cancelSweep: CancelTimer | null = null;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.clock = clock;
    this.random = random;
  }

  get size(): { readonly open: number; readonly kept: number } {
    return { open: this.open.size, kept: this.kept.size };
  }

  /** The name of a stream that begins. It ends with `keep` or `drop`. */
  begin(session: string, reply: Resumable): string {
    const name = newId("stream", this.clock.wall(), this.random);
    this.open.set(name, { session, reply });
    return name;
  }

  /** Its answer was sent. */
  keep(name: string, text: string): void {
    const entry = this.open.get(name);
    if (entry === undefined) return;
    this.open.delete(name);
    this.kept.set(name, { session: entry.session, text, at: this.clock.monotonic() });
    this.chars += text.length + overheadChars;
    this.forget(() => this.chars > keptCharsMax);
    this.sweepLater();
  }

  /** Nobody wants its answer. */
  drop(name: string): void {
    this.open.delete(name);
  }

  /** A text is the answer. null = there is no such stream in this session, or its answer is not kept any more. */
  find(session: string, name: string): Resumable | string | null {
    const open = this.open.get(name);
    if (open !== undefined) return open.session === session ? open.reply : null;
    const kept = this.kept.get(name);
    return kept?.session === session ? kept.text : null;
  }

  stop(): void {
    this.cancelSweep?.();
    this.cancelSweep = null;
    this.open.clear();
    this.forget(() => true);
  }

  private sweepLater(): void {
    if (this.kept.size === 0) return;
    this.cancelSweep ??= this.clock.after(keptMs, () => {
      this.cancelSweep = null;
      const now = this.clock.monotonic();
      this.forget(({ at }) => elapsedMs(now, at) >= keptMs);
      this.sweepLater();
    });
  }

  /** From the oldest on, as long as `isOver` says so. */
  private forget(isOver: (kept: Kept) => boolean): void {
    for (const [name, kept] of this.kept) {
      if (!isOver(kept)) return;
      this.kept.delete(name);
      this.chars -= kept.text.length + overheadChars;
    }
  }
}
