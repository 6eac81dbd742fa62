import type { Clock, Deadline } from "../base/index.ts";
import { remainingMs } from "../base/index.ts";
import type { CallAnswer } from "./call.ts";

/** How long somebody waits for what others bring about. */
export interface Patience {
  readonly deadline: Deadline;
  /** null = it is not a caller of ours that waits. */
  readonly signal: AbortSignal | null;
}

/** null = whoever waited has gone, or its time is over; the work goes on without it. Leaves no timer and no listener behind. */
export function withinTime<T>(
  work: Promise<T>,
  { deadline, signal }: Patience,
  clock: Clock,
): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const cancelTimer = clock.after(remainingMs(clock, deadline), giveUp);
    function end(): void {
      cancelTimer();
      signal?.removeEventListener("abort", giveUp);
    }
    function giveUp(): void {
      end();
      resolve(null);
    }
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted === true) giveUp();
    work.then(
      (value) => {
        end();
        resolve(value);
      },
      (thrown: unknown) => {
        end();
        reject(thrown);
      },
    );
  });
}

/** What somebody is told who waited in vain for a call that goes on without it. */
export const stillOpen = ({ signal }: Patience): CallAnswer => ({
  kind: "refused",
  refusal: {
    code: signal?.aborted === true ? "cancelled" : "deadline-exceeded",
    detail: "the call goes on; ask again for what becomes of it",
  },
  receipt: null,
});
