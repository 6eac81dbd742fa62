import type { CancelTimer, Clock } from "./clock.ts";

export interface RoundsOptions {
  readonly clock: Clock;
  /** From the end of one to the beginning of the next. */
  readonly everyMs: number;
  /** Must not reject: whoever owns it tells of what goes wrong. */
  readonly round: () => Promise<void>;
}

/** Does something again and again, one at a time, the first time after the first pause. Does not keep the process alive. */
export class Rounds {
  private readonly options: RoundsOptions;
  private cancel: CancelTimer | null = null;
  private running: Promise<void> = Promise.resolve();
  private isOver = false;

  constructor(options: RoundsOptions) {
    this.options = options;
  }

  /** For a round that takes long: it may end early. */
  get isStopped(): boolean {
    return this.isOver;
  }

  start(): void {
    if (this.isOver) return;
    const { clock, everyMs, round } = this.options;
    this.cancel = clock.after(everyMs, () => {
      this.running = round().finally(() => this.start());
    });
  }

  /** Resolves when the round under way has ended; there is none after it. Safe to call twice. */
  async stop(): Promise<void> {
    this.isOver = true;
    this.cancel?.();
    await this.running;
  }
}
