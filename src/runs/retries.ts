import type { StoreMs } from "../base/index.ts";
import { elapsedMs } from "../base/index.ts";
import type { Losses, RunRecord } from "../ledger/index.ts";

/** How often an agent that was lost is started again, and when. */
export interface Retries {
  /** Losses within `withinMs` that are made good, also where it got on in between; the next one is its run's death. */
  readonly max: number;
  readonly withinMs: number;
  /** After a start that is known to have come to nothing. Doubled with each in a row, up to `pauseMsMax`. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
}

/** One that dies after every step is no program that works: a hundred a day find a node that is restarted often, and a machine short of memory. */
export const defaultRetries: Retries = {
  max: 100,
  withinMs: 24 * 60 * 60_000,
  pauseMs: 1_000,
  pauseMsMax: 15 * 60_000,
};

/**
 * One more loss, just now. null = its retries are used up. Stretches follow one another and do not slide, so at their border an agent may be
 * lost twice as often; one row has no room for every instant.
 */
export function countLoss(run: Losses, { max, withinMs }: Retries, now: StoreMs): Losses | null {
  const { losses, lossesSince } = run;
  const isOver = lossesSince === null || elapsedMs(now, lossesSince) > withinMs;
  const counted = isOver ? { losses: 1, lossesSince: now } : { losses: losses + 1, lossesSince };
  return counted.losses > max ? null : counted;
}

export const pauseAfterLoss = ({ starts }: Pick<RunRecord, "starts">, retries: Retries): number =>
  Math.min(retries.pauseMs * 2 ** Math.max(0, starts - 1), retries.pauseMsMax);
