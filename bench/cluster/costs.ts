import type { Sample } from "./calls.ts";
import type { Costs } from "./turns.ts";

/** What a flush costs by itself, whatever it carries: CPU of a node's main thread, and of the database. */
export interface FlushCosts {
  readonly nodeUs: number;
  readonly databaseUs: number;
}

/** CPU of one operation on one thread can be no less than this: what comes out lower is the clock's hundredths of a second. */
const leastUs = 1;

/**
 * From two loads of the same steps, one with large flushes and one with small ones: cost of a step = a + b × flushes per step. What the
 * smaller flushes cost more is b.
 */
export function flushCostsOf(few: Sample, many: Sample): FlushCosts {
  const flushesEach = (sample: Sample) => sample.cost.flushes / sample.operations;
  const more = flushesEach(few) - flushesEach(many);
  const slope = (of: (sample: Sample) => number) => Math.max(0, (of(few) - of(many)) / more);
  return { nodeUs: slope(mainUsOf), databaseUs: slope(databaseUsOf) };
}

/** What a sample says one operation takes, apart from its part of flushes. */
export function costsOf(sample: Sample, flush: FlushCosts): Costs {
  const { cost, operations } = sample;
  const flushesEach = cost.flushes / operations;
  const transactions = sample.what === "effect" ? 2 : 1;
  const database = databaseUsOf(sample);
  const byFlushes = flush.databaseUs * flushesEach;
  // The turn is looked at, not counted: of the database's CPU, what was used with it can be no more than the time that it was held for.
  const held = (cost.turn.inDatabase * cost.ms * 1_000) / operations;
  const inTurn = Math.min(database, Math.max(held, byFlushes));
  return {
    nodeUs: Math.max(leastUs, mainUsOf(sample) - flush.nodeUs * flushesEach),
    nodeFlushUs: flush.nodeUs,
    besideUs: nodeUsOf(sample) - mainUsOf(sample),
    transactions,
    turnUs: Math.max(leastUs, (inTurn - byFlushes) / transactions),
    turnFlushUs: flush.databaseUs,
    readsUs: database - inTurn,
    loadUs: usOf(sample, (cost.cores["load"] ?? 0) + (cost.cores["upstream"] ?? 0)),
    walUs: (cost.walSyncMs / Math.max(1, cost.walSyncs)) * 1_000,
  };
}

export const nodeUsOf = (sample: Sample): number => usOf(sample, sample.cost.cores["nodes"] ?? 0);
export const databaseUsOf = (sample: Sample): number => usOf(sample, sample.cost.postgresCores);
/** Of the busiest node; the others' are taken to be the same. */
const mainUsOf = (sample: Sample): number =>
  Math.min(nodeUsOf(sample), usOf(sample, sample.cost.busiestMainThread * sample.nodes));

const usOf = ({ cost, operations }: Sample, cores: number): number => (cores * cost.ms * 1_000) / operations;
