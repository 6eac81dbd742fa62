import type { TablesByName } from "../check.ts";
import type { Write } from "../transaction.ts";
import type { Numbered } from "./segments.ts";
import { freedBy, mayFree, tableOf } from "./segments.ts";

/**
 * What becomes of a set that was carried kind by kind, inserts first. Of all that failed only an insert can have come too early: the row in its way
 * is one that an earlier transaction takes out of it. Nobody else of the set wants that key, or it would be no set, so such an insert can go
 * after everything else.
 */
export interface Verdicts {
  /** At which write each transaction is refused that is. */
  readonly refused: ReadonlyMap<number, number>;
  /** Inserts of the others that failed and have to go last. */
  readonly late: ReadonlySet<Write>;
}

/** For each transaction of which writes failed, which, in their order. */
export type Failed = ReadonlyMap<number, readonly number[]>;

/** `takers`: which rows are in the way of inserts that failed. One that is not in it is refused, whoever goes. */
export function verdictsOf(
  tables: TablesByName,
  transactions: readonly Numbered[],
  failed: Failed,
  takers: ReadonlyMap<Write, readonly string[]>,
): Verdicts {
  const refused = new Map<number, number>();
  const late = new Set<Write>();
  const freed = new Set<string>();
  const isLate = (write: Write): boolean => takers.get(write)?.every((taker) => freed.has(taker)) === true;
  for (const { index, writes } of transactions) {
    const failing = failed.get(index) ?? [];
    const at = failing.find((one) => !isLate(writes[one] as Write));
    if (at !== undefined) {
      refused.set(index, at);
      continue;
    }
    for (const one of failing) late.add(writes[one] as Write);
    for (const write of writes) for (const taker of freedBy(tableOf(tables, write), write)) freed.add(taker);
  }
  return { refused, late };
}

/** Inserts that failed and may have come too early, as far as can be told without asking who has taken their keys. */
export function doubtfulOf(
  tables: TablesByName,
  transactions: readonly Numbered[],
  failed: Failed,
): readonly Write[] {
  const doubtful: Write[] = [];
  const freed = new Set<string>();
  for (const { index, writes } of transactions) {
    const failing = (failed.get(index) ?? []).map((at) => writes[at] as Write);
    const end = failing.findIndex((write) => write.op !== "insert" || !freed.has(write.table));
    doubtful.push(...(end === -1 ? failing : failing.slice(0, end)));
    if (end !== -1) continue;
    for (const write of writes) if (mayFree(tableOf(tables, write), write)) freed.add(write.table);
  }
  return doubtful;
}
