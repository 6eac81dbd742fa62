/**
 * Runs an action one at a time for many who ask. Each run begins after the asking: one under way may have missed what the asker
 * knows of, so there is at most one more behind it, shared by all who ask meanwhile.
 */
export class OneAtATime {
  private readonly action: () => Promise<void>;
  private running: Promise<void> | null = null;
  private next: Promise<void> | null = null;

  constructor(action: () => Promise<void>) {
    this.action = action;
  }

  ask(): Promise<void> {
    if (this.running === null) return this.begin();
    this.next ??= settled(this.running).then(() => {
      this.next = null;
      return this.running ?? this.begin();
    });
    return this.next;
  }

  /** Resolves when nothing runs or waits, however it ended. */
  async idle(): Promise<void> {
    while (this.running !== null || this.next !== null) await settled(this.next ?? this.running);
  }

  private begin(): Promise<void> {
    const run = this.action().finally(() => {
      if (this.running === run) this.running = null;
    });
    this.running = run;
    return run;
  }
}

const settled = (promise: Promise<void> | null): Promise<void> =>
  Promise.resolve(promise).then(
    () => undefined,
    () => undefined,
  );
