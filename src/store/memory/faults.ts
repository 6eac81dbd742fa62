import type { Random } from "../../base/index.ts";
import { randomBelow } from "../../base/index.ts";

/**
 * What can go wrong with a flush.
 *  crash-before-commit  the process dies; nothing of the flush is there afterwards
 *  crash-after-commit   the process dies; all of the flush is there, and nobody was told
 *  disk-full            nothing was written; later flushes may succeed
 *  slow-flush           the flush takes up to `slowFlushMsMax` on the clock
 *  lost-lease           somebody else has taken the bound lease
 *  time-jump            the wall clock moves up to `timeJumpMsMax` forwards or backwards
 */
export type MemoryFault =
  | "crash-before-commit"
  | "crash-after-commit"
  | "disk-full"
  | "slow-flush"
  | "lost-lease"
  | "time-jump";

const memoryFaults = [
  "time-jump",
  "slow-flush",
  "lost-lease",
  "disk-full",
  "crash-before-commit",
  "crash-after-commit",
] as const satisfies readonly MemoryFault[];

const chanceUnits = 1_000_000;

export interface FaultOptions {
  readonly random: Random;
  /** Chance of each fault per flush, from 0 to 1. Left out: 0. */
  readonly chances?: Partial<Readonly<Record<MemoryFault, number>>>;
  readonly slowFlushMsMax?: number;
  readonly timeJumpMsMax?: number;
}

/** Decides what goes wrong with each flush: by chance from a seed, or because a test asked for it. */
export class Faults {
  private readonly random: Random;
  private chances: Partial<Readonly<Record<MemoryFault, number>>>;
  private readonly slowFlushMsMax: number;
  private readonly timeJumpMsMax: number;
  private readonly asked: ReadonlySet<MemoryFault>[] = [];

  constructor(options: FaultOptions) {
    this.random = options.random;
    this.chances = options.chances ?? {};
    this.slowFlushMsMax = options.slowFlushMsMax ?? 50;
    this.timeJumpMsMax = options.timeJumpMsMax ?? 60_000;
  }

  /** The next flush that has not been asked for yet suffers these; asked faults go before chance. */
  next(...faults: readonly MemoryFault[]): void {
    this.asked.push(new Set(faults));
  }

  /** From now on nothing goes wrong by chance. */
  heal(): void {
    this.chances = {};
    this.asked.length = 0;
  }

  /** What this flush suffers. */
  draw(): ReadonlySet<MemoryFault> {
    const asked = this.asked.shift();
    if (asked !== undefined) return asked;
    return new Set(memoryFaults.filter((fault) => this.strikes(this.chances[fault] ?? 0)));
  }

  slowFlushMs(): number {
    return 1 + randomBelow(this.random, this.slowFlushMsMax);
  }

  timeJumpMs(): number {
    return randomBelow(this.random, 2 * this.timeJumpMsMax + 1) - this.timeJumpMsMax;
  }

  private strikes(chance: number): boolean {
    return chance > 0 && randomBelow(this.random, chanceUnits) < chance * chanceUnits;
  }
}
