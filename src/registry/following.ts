import type { CancelTimer, Clock } from "../base/index.ts";
import { OneAtATime } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import type { Changed } from "./changes.ts";
import { changedOf, changeLog } from "./changes.ts";
import { changeTable } from "./tables.ts";

/** What another node changed holds here within a second. */
const followEveryMs = 500;
const changesPerPage = 500;

export interface FollowingOptions {
  readonly clock: Clock;
  readonly store: Pick<Store, "listLog">;
  /** Reads it again. What this node changed itself comes by as well. */
  readonly reread: (changed: Changed) => Promise<void>;
}

/** Follows what is changed by other nodes, by the log that every change is told in. */
export class Following {
  private readonly options: FollowingOptions;
  private cursor = 0;
  private failures = 0;
  private isRunning = false;
  private cancel: CancelTimer | null = null;
  private readonly looks = new OneAtATime(() => this.look());

  constructor(options: FollowingOptions) {
    this.options = options;
  }

  /** From here on; to be called before everything is read, so that what changes meanwhile is read again. */
  async begin(): Promise<void> {
    const [newest] = await this.options.store.listLog(changeTable, {
      partition: changeLog,
      order: "descending",
      limit: 1,
    });
    this.cursor = newest?.cursor ?? 0;
  }

  start(): void {
    this.isRunning = true;
    this.later();
  }

  stop(): void {
    this.isRunning = false;
    this.cancel?.();
  }

  /** Looks that failed since the last that worked: above 0, what other nodes changed may be missing here. */
  get failed(): number {
    return this.failures;
  }

  /** Resolves when what was changed before the asking holds here. Rejects with the store's Fault. */
  catchUp(): Promise<void> {
    return this.looks.ask();
  }

  private later(): void {
    if (!this.isRunning) return;
    this.cancel = this.options.clock.after(followEveryMs, () => {
      // A failed look is counted and tried again: without a store nothing with an effect happens anyway.
      void this.catchUp()
        .catch(() => undefined)
        .then(() => this.later());
    });
  }

  private async look(): Promise<void> {
    try {
      for (;;) {
        const page = await this.options.store.listLog(changeTable, {
          partition: changeLog,
          after: this.cursor,
          limit: changesPerPage,
        });
        for (const subject of new Set(page.map((row) => row.subject))) {
          const changed = changedOf(subject);
          if (changed !== null) await this.options.reread(changed);
        }
        this.cursor = page.at(-1)?.cursor ?? this.cursor;
        if (page.length < changesPerPage) break;
      }
      this.failures = 0;
    } catch (thrown) {
      this.failures++;
      throw thrown;
    }
  }
}
