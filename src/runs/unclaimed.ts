import type { Clock, MonotonicMs, StoreMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { RunRecord } from "../ledger/index.ts";

/** Whoever has the hook looks each second, and where it has no room the run is not due: so long, and nobody has it. */
const unclaimedMs = 5_000;
/** An operator who was told brings the hook back, or cancels the runs; both take their time. */
const againMs = 15 * 60_000;
/** Hooks that are told of; more would be one mistake, told a hundred times. */
const hooksMax = 100;

/** Says, now and then, that runs are due whose hook nobody has: its agent was taken out of the configuration, or a version of it. */
export class Unclaimed {
  private readonly options: Options;
  private readonly told = new Map<string, MonotonicMs>();

  constructor(options: Options) {
    this.options = options;
  }

  /** `runs`: due, with hooks that this node does not have. */
  note(runs: readonly RunRecord[], now: StoreMs): void {
    const { clock, onTrouble } = this.options;
    for (const [hook, at] of this.told)
      if (elapsedMs(clock.monotonic(), at) > againMs) this.told.delete(hook);
    for (const { name, hook, wakeAt, aliveUntil } of runs) {
      const lives = aliveUntil !== null && elapsedMs(aliveUntil, now) > 0;
      const isNew = hook !== null && !this.told.has(hook) && this.told.size < hooksMax;
      if (lives || !isNew || wakeAt === null || elapsedMs(now, wakeAt) < unclaimedMs) continue;
      this.told.set(hook, clock.monotonic());
      onTrouble(
        `starting the agent of run "${name}"`,
        new Error(`there is no hook "${hook}", and no other node has started it`),
      );
    }
  }
}

interface Options {
  readonly clock: Clock;
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}
