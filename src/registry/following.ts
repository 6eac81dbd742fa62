import type { CancelTimer, Clock } from "../base/index.ts";
import { Fault, OneAtATime } from "../base/index.ts";
import type { LogPlace, Store } from "../store/index.ts";
import { endOfLog, rowsBehind } from "../store/index.ts";
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
  /** The store has forgotten what was followed: what is held here is not what others hold, and no look works any more. */
  readonly onForgotten: () => void;
}

/** Follows what is changed by other nodes, by the log that every change is told in. */
export class Following {
  private readonly options: FollowingOptions;
  private place: LogPlace = null;
  private failures = 0;
  private isRunning = false;
  private cancel: CancelTimer | null = null;
  private readonly looks = new OneAtATime(() => this.look());

  constructor(options: FollowingOptions) {
    this.options = options;
  }

  /** From here on; to be called before everything is read, so that what changes meanwhile is read again. */
  async begin(): Promise<void> {
    this.place = await endOfLog(this.options.store, changeTable, changeLog);
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
        const page = await rowsBehind(this.options.store, changeTable, {
          partition: changeLog,
          place: this.place,
          limit: changesPerPage,
        });
        if (page === null) {
          this.options.onForgotten();
          throw new Fault("store-unavailable", "the store has forgotten changes that were followed");
        }
        for (const subject of new Set(page.rows.map((row) => row.subject))) {
          const changed = changedOf(subject);
          if (changed !== null) await this.options.reread(changed);
        }
        this.place = page.place;
        if (page.rows.length < changesPerPage) break;
      }
      this.failures = 0;
    } catch (thrown) {
      this.failures++;
      throw thrown;
    }
  }
}
