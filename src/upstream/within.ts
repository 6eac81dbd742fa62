import type { Clock, Deadline } from "../base/index.ts";
import { remainingMs } from "../base/index.ts";
import { onAbort } from "../net/index.ts";
import { cancelledFault, deadlineFault } from "./trouble.ts";

/**
 * Waits for something that nobody can hurry, but not beyond the deadline or the signal; then it rejects with a Fault of effect
 * none. What was waited for goes on; a late failure of it is not an unhandled one.
 */
export function within<T>(
  work: Promise<T>,
  bounds: {
    readonly clock: Clock;
    readonly deadline: Deadline;
    readonly signal: AbortSignal;
    readonly name: string;
  },
): Promise<T> {
  const { clock, deadline, signal, name } = bounds;
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(cancelledFault(name, false));
    const cancelTimer = clock.after(remainingMs(clock, deadline), () => reject(deadlineFault(name, false)));
    const forget = onAbort(signal, () => reject(cancelledFault(name, false)));
    work.then(resolve, reject).finally(() => {
      cancelTimer();
      forget();
    });
  });
}
