import { invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { Answer } from "../request.ts";
import { verdictDone } from "../request.ts";
import type { Batches, Kind } from "./batch.ts";
import type { Connection, Outcome, Statement } from "./connection.ts";
import { fulfilled } from "./connection.ts";
import { isDuplicate, isFatal, isGone, statementFault } from "./failure.ts";
import { HopedInVain } from "./hopes.ts";
import type { Hopes } from "./hopes.ts";
import { OwnStatements } from "./own-statements.ts";
import type { Numbered, Segment } from "./segments.ts";
import { mayFree, tableOf } from "./segments.ts";

/** A set in which guards failed is done again without them; after this many times, one by one. */
const setAttemptsMax = 3;

type Outcomes = readonly PromiseSettledResult<Outcome>[];

/** A segment and what has to be sent for it. */
export interface Prepared {
  readonly segment: Segment;
  readonly kinds: readonly Kind[];
  readonly statements: readonly Statement[];
}

/** Thrown inside a flush that went without savepoints and turned out to need them. */
export const needsSavepoints = new Error("this flush needs savepoints");

/**
 * Carries the segments of one flush inside its database transaction, and finds out whose guards did not hold. With savepoints each segment
 * begins with one, which stands until the next begins: what lets go of it needs no round trip of its own.
 */
export class SegmentCarrier {
  private readonly tables: TablesByName;
  private readonly own: OwnStatements;
  private readonly batches: Batches;
  private readonly connection: Connection;
  private readonly hasSavepoints: boolean;
  private readonly mayShrink: boolean;
  private readonly hopes: Hopes;
  private hasSavepointBefore = false;

  constructor(
    options: { readonly tables: TablesByName; readonly own: OwnStatements; readonly mayShrink: boolean },
    batches: Batches,
    hopes: Hopes,
    connection: Connection,
    hasSavepoints: boolean,
  ) {
    this.tables = options.tables;
    this.own = options.own;
    this.mayShrink = options.mayShrink;
    this.batches = batches;
    this.hopes = hopes;
    this.connection = connection;
    this.hasSavepoints = hasSavepoints;
  }

  prepare(segment: Segment): Prepared {
    switch (segment.kind) {
      case "own":
        return {
          segment,
          kinds: [],
          statements: segment.requests.map(({ request }) => this.own.request(request)),
        };
      case "single":
        return this.prepared(segment, this.batches.oneByOne(segment.transaction));
      case "set":
        // With savepoints there are others in the flush, who would be carried again with it.
        return this.prepared(
          segment,
          this.batches.kinds(segment.transactions, this.hasSavepoints ? null : this.hopes),
        );
    }
  }

  /** `outcomes`: of the prepared statements. Writes what is to be answered into `answers`. */
  async settle(prepared: Prepared, outcomes: Outcomes, answers: Answer[]): Promise<void> {
    const { segment } = prepared;
    switch (segment.kind) {
      case "own":
        for (const [at, { index, request }] of segment.requests.entries()) {
          answers[index] = OwnStatements.answer(request, fulfilled(outcomes[at]).rows);
        }
        return;
      case "single": {
        answers[segment.transaction.index] = await this.single(prepared, segment.transaction, outcomes);
        return;
      }
      case "set":
        await this.set(prepared, segment.transactions, outcomes, answers);
    }
  }

  private prepared(segment: Segment, kinds: readonly Kind[]): Prepared {
    const statements = kinds.map(({ statement }) => statement);
    if (!this.hasSavepoints) return { segment, kinds, statements };
    const before = this.hasSavepointBefore ? [release, savepoint] : [savepoint];
    this.hasSavepointBefore = true;
    return { segment, kinds, statements: [...before, ...statements] };
  }

  private async set(
    prepared: Prepared,
    transactions: readonly Numbered[],
    outcomes: Outcomes,
    answers: Answer[],
  ): Promise<void> {
    let left = transactions;
    let { kinds } = prepared;
    let done = ofWrites(prepared, outcomes);
    for (let attempt = 1; ; attempt++) {
      this.throwFatal(done);
      throwDashed(kinds, done);
      const refused = failedIn(kinds, done);
      if (refused === null || this.mayHaveComeTooEarly(left, refused)) break;
      for (const [index, write] of refused) answers[index] = write;
      const hasTraces = left.some(({ index, writes }) => refused.has(index) && writes.length > 1);
      left = left.filter(({ index }) => !refused.has(index));
      if (!hasTraces) return;
      if (left.length === 0 || attempt === setAttemptsMax) break;
      await this.undo();
      const again = this.prepare({ kind: "set", transactions: left });
      kinds = again.kinds;
      done = ofWrites(again, await this.connection.runEach(again.statements));
    }
    await this.undo();
    for (const transaction of left) {
      const one = this.prepare({ kind: "single", transaction });
      const each = await this.connection.runEach(one.statements);
      answers[transaction.index] = await this.single(one, transaction, each);
    }
  }

  /** A refused insert whose key another transaction of the set, one that came before it, may have set free. */
  private mayHaveComeTooEarly(
    transactions: readonly Numbered[],
    refused: ReadonlyMap<number, number>,
  ): boolean {
    if (refused.size === 0) return false;
    const freed = new Set<string>();
    for (const { index, writes } of transactions) {
      const at = refused.get(index);
      const write = at === undefined ? undefined : writes[at];
      if (write?.op === "insert" && freed.has(write.table)) return true;
      for (const one of writes) if (mayFree(tableOf(this.tables, one), one)) freed.add(one.table);
    }
    return false;
  }

  private async single(prepared: Prepared, transaction: Numbered, outcomes: Outcomes): Promise<Answer> {
    const done = ofWrites(prepared, outcomes);
    this.throwFatal(done);
    const at = done.findIndex((one) => one.status === "rejected" || one.value.rows.length > 0);
    if (at === -1) return verdictDone;
    const failed = done[at];
    const isRefused = failed?.status === "fulfilled";
    if (!isRefused || transaction.writes.length > 1) await this.undo();
    if (isRefused || isDuplicate(failed?.reason)) return at;
    return statementFault(failed?.reason);
  }

  /** Of what failed, only the first says why: whatever follows it is told that the transaction is over. */
  private throwFatal(done: Outcomes): void {
    const failed = done.find((one) => one.status === "rejected");
    if (failed === undefined) return;
    if (isFatal(failed.reason) || (this.mayShrink && isGone(failed.reason))) throw failed.reason;
  }

  private async undo(): Promise<void> {
    if (!this.hasSavepoints) throw needsSavepoints;
    await this.connection.run([rollbackTo]);
  }
}

const savepoint: Statement = { text: "SAVEPOINT item" };
const rollbackTo: Statement = { text: "ROLLBACK TO item" };
const release: Statement = { text: "RELEASE item" };

const ofWrites = ({ kinds, statements }: Prepared, outcomes: Outcomes): Outcomes =>
  outcomes.slice(statements.length - kinds.length);

/** What fails first: those behind it are told that the transaction is over. */
function throwDashed(kinds: readonly Kind[], done: Outcomes): void {
  const at = done.findIndex((one) => one.status === "rejected");
  const failed = done[at];
  const table = kinds[at]?.hopesFor ?? null;
  if (failed?.status === "rejected" && table !== null && isDuplicate(failed.reason))
    throw new HopedInVain(table);
}

/** For each refused transaction the first write whose guard did not hold; null when a statement failed. */
function failedIn(kinds: readonly Kind[], done: Outcomes): Map<number, number> | null {
  if (done.some((one) => one.status === "rejected")) return null;
  const refused = new Map<number, number>();
  for (const [at, kind] of kinds.entries()) {
    for (const [ordinal] of fulfilled(done[at]).rows) {
      const row = kind.rows[(ordinal as number) - 1];
      invariant(row, "the database answered about a row that nobody sent");
      refused.set(row.index, Math.min(row.write, refused.get(row.index) ?? row.write));
    }
  }
  return refused;
}
