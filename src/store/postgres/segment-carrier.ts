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
import type { Names } from "./sql.ts";
import type { LookUp } from "./takers.ts";
import { lookUpsOf, takersOf } from "./takers.ts";
import type { Failed, Verdicts } from "./verdicts.ts";
import { doubtfulOf, verdictsOf } from "./verdicts.ts";

type Outcomes = readonly PromiseSettledResult<Outcome>[];

interface Sent {
  readonly kinds: readonly Kind[];
  /** Those of the kinds, and before them what else has to be said. */
  readonly statements: readonly Statement[];
}

/** A segment and what has to be sent for it. */
export interface Prepared extends Sent {
  readonly segment: Segment;
}

export interface SegmentCarrierOptions {
  readonly tables: TablesByName;
  readonly names: Names;
  readonly own: OwnStatements;
  readonly mayShrink: boolean;
}

/** Thrown inside a flush that went without savepoints and turned out to need them. */
export const needsSavepoints = new Error("this flush needs savepoints");

/**
 * Carries the segments of one flush inside its database transaction, and finds out whose guards did not hold. With savepoints each segment
 * begins with one, which stands until the next begins: what lets go of it needs no round trip of its own.
 */
export class SegmentCarrier {
  private readonly tables: TablesByName;
  private readonly names: Names;
  private readonly own: OwnStatements;
  private readonly batches: Batches;
  private readonly connection: Connection;
  private readonly hasSavepoints: boolean;
  private readonly mayShrink: boolean;
  private readonly hopes: Hopes;
  private hasSavepointBefore = false;

  constructor(
    options: SegmentCarrierOptions,
    batches: Batches,
    hopes: Hopes,
    connection: Connection,
    hasSavepoints: boolean,
  ) {
    this.tables = options.tables;
    this.names = options.names;
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
    const failed = this.failedIn(prepared, outcomes);
    const refused = failed === null ? null : await this.withoutRefused(transactions, failed);
    if (refused !== null) {
      for (const [index, write] of refused) answers[index] = write;
      return;
    }
    await this.undo();
    for (const transaction of transactions) {
      const one = this.prepare({ kind: "single", transaction });
      const each = await this.connection.runEach(one.statements);
      answers[transaction.index] = await this.single(one, transaction, each);
    }
  }

  /** Leaves a set done but for those that are refused: at which write each is. null = a statement failed. */
  private async withoutRefused(
    transactions: readonly Numbered[],
    failed: Failed,
  ): Promise<Verdicts["refused"] | null> {
    const { tables } = this;
    const lookUps = lookUpsOf(tables, this.names, doubtfulOf(tables, transactions, failed));
    const hasTraces = transactions.some(({ index, writes }) => failed.has(index) && writes.length > 1);
    const presumed = verdictsOf(tables, transactions, failed, new Map());
    if (lookUps.length === 0 && !hasTraces) return presumed.refused;
    // Whoever is refused is so for good, nearly always: what is left is carried in the round trip that asks.
    const [asked, failedNow] = await this.again(transactions, presumed, lookUps);
    const verdicts = verdictsOf(tables, transactions, failed, takersOf(lookUps, asked));
    if (verdicts.late.size === 0) return failedNow?.size === 0 ? verdicts.refused : null;
    const [, failedLast] = await this.again(transactions, verdicts, []);
    return failedLast?.size === 0 ? verdicts.refused : null;
  }

  /** Asks as it was before the set, and carries it by these verdicts. */
  private async again(
    transactions: readonly Numbered[],
    { refused, late }: Verdicts,
    lookUps: readonly LookUp[],
  ): Promise<readonly [asked: Outcomes, failed: Failed | null]> {
    if (!this.hasSavepoints) throw needsSavepoints;
    const left = transactions.filter(({ index }) => !refused.has(index));
    const kinds = this.batches.kinds(left, null, late);
    const before = [rollbackTo, ...lookUps.map(({ statement }) => statement)];
    const statements = [...before, ...kinds.map(({ statement }) => statement)];
    const outcomes = await this.connection.runEach(statements);
    return [outcomes.slice(1, before.length), this.failedIn({ kinds, statements }, outcomes)];
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

  /** null = a statement failed. */
  private failedIn(sent: Sent, outcomes: Outcomes): Failed | null {
    const { kinds } = sent;
    const done = ofWrites(sent, outcomes);
    this.throwFatal(done);
    throwDashed(kinds, done);
    if (done.some((one) => one.status === "rejected")) return null;
    const failed = new Map<number, number[]>();
    for (const [at, kind] of kinds.entries()) {
      for (const [ordinal] of fulfilled(done[at]).rows) {
        const row = kind.rows[(ordinal as number) - 1];
        invariant(row, "the database answered about a row that nobody sent");
        failed.set(row.index, [...(failed.get(row.index) ?? []), row.write]);
      }
    }
    for (const writes of failed.values()) writes.sort((a, b) => a - b);
    return failed;
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

const ofWrites = ({ kinds, statements }: Sent, outcomes: Outcomes): Outcomes =>
  outcomes.slice(statements.length - kinds.length);

/** What fails first: those behind it are told that the transaction is over. */
function throwDashed(kinds: readonly Kind[], done: Outcomes): void {
  const at = done.findIndex((one) => one.status === "rejected");
  const failed = done[at];
  const table = kinds[at]?.hopesFor ?? null;
  if (failed?.status === "rejected" && table !== null && isDuplicate(failed.reason))
    throw new HopedInVain(table);
}
