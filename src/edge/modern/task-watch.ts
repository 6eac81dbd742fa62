import type { CancelTimer, Clock } from "../../base/index.ts";
import type { CallAnswer } from "../../calls/index.ts";
import type { JsonObject } from "../envelope.ts";

export interface TaskWatchOptions {
  readonly clock: Clock;
  /** Asks how the task stands: a governed request like the client's own `tasks/get`. */
  readonly look: () => Promise<CallAnswer>;
  /** False = nobody hears it any more. */
  readonly tell: (task: JsonObject) => boolean;
}

/** As often as the task's server suggests, within what we are willing to do unasked. */
const intervalMs = { usual: 5_000, least: 1_000, most: 60_000 } as const;
const over: ReadonlySet<unknown> = new Set(["completed", "failed", "cancelled"]);

/**
 * Tells of a task whenever it stands otherwise than before (tasks extension, "Task Status Notifications"), until it is over. Its
 * server need not know how to tell of tasks by itself, so it is asked again and again.
 */
export class TaskWatch {
  private readonly options: TaskWatchOptions;
  private task: JsonObject | null = null;
  private told: string | null = null;
  private cancelTimer: CancelTimer | null = null;
  private isOver = false;

  constructor(options: TaskWatchOptions) {
    this.options = options;
  }

  /** False = there is no such task for this caller, or nobody can say. */
  async look(): Promise<boolean> {
    const answer = await this.options.look();
    if (answer.kind !== "result") return false;
    // Our own text. What belongs to the answer and not to the task is left out.
    const { resultType: _, _meta, ...task } = JSON.parse(answer.text) as Record<string, unknown>;
    this.task = task;
    return true;
  }

  /** Tells how it stood at the last look, and from then on each change. */
  begin(): void {
    const text = JSON.stringify(this.task);
    if (this.isOver || this.task === null) return;
    if (text !== this.told && !this.options.tell(this.task)) return;
    this.told = text;
    if (!over.has(this.task["status"])) this.lookLater(this.task["pollIntervalMs"]);
  }

  stop(): void {
    this.isOver = true;
    this.cancelTimer?.();
  }

  private lookLater(suggestedMs: unknown): void {
    const wantedMs = typeof suggestedMs === "number" ? suggestedMs : intervalMs.usual;
    const waitMs = Math.min(Math.max(wantedMs, intervalMs.least), intervalMs.most);
    this.cancelTimer = this.options.clock.after(waitMs, () => {
      // A look that fails says nothing about the task: the next one may tell.
      this.look().then(
        (isThere) => (isThere ? this.begin() : this.stop()),
        () => this.lookLater(suggestedMs),
      );
    });
  }
}
