import { Fault, invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { Answer, FlushAnswer, Proof, Request } from "../request.ts";
import { verdictDone } from "../request.ts";
import { Batches } from "./batch.ts";
import type { Kind } from "./batch.ts";
import type { Connection, Outcome, Statement } from "./connection.ts";
import { isDuplicate, isFatal, statementFault } from "./failure.ts";
import type { Beginning, Standing, Take } from "./own-statements.ts";
import { OwnStatements } from "./own-statements.ts";
import type { Numbered, Segment } from "./segments.ts";
import { cut, mayFree, tableOf } from "./segments.ts";
import type { Names } from "./sql.ts";

/** A set in which guards failed is done again without them; after this many times, one by one. */
const setAttemptsMax = 3;

export interface FlusherOptions {
  readonly tables: TablesByName;
  readonly names: Names;
  readonly own: OwnStatements;
  /** Whether the database waits for its disk (and standby) at commit unless told to. */
  readonly isSynchronous: boolean;
  /** What announces the topics of signals and wake-ups to other nodes; null = nobody listens. */
  readonly announcement: ((topics: readonly string[]) => Statement) | null;
}

/** What one flush carries. */
export interface Load {
  readonly requests: readonly Request[];
  readonly proof: Proof | null;
  readonly standing: Standing;
  /** null = the database's clock. */
  readonly wallMs: number | null;
}

/** A flush that went through. */
export interface Carried {
  readonly answer: FlushAnswer;
  /** The database's epoch; null = there was nothing to commit. */
  readonly committedIn: number | null;
}

/** Why a flush was given up before anything was committed; `writer.ts` knows what to do. */
export class Interrupted extends Error {
  readonly beginning: Beginning;

  constructor(beginning: Beginning) {
    super("the database is not the one this writer knew");
    this.beginning = beginning;
  }
}

/** The answer to the commit did not come, or came with a doubt. What was to be answered, should it stand. */
export class CommitInDoubt extends Error {
  readonly answer: FlushAnswer;

  constructor(answer: FlushAnswer, cause: unknown) {
    super("the outcome of a commit is not known", { cause });
    this.answer = answer;
  }
}

/**
 * Carries out one flush in one database transaction. All writers of one store take turns: each holds its advisory lock from the
 * first statement to the commit. This is what lets cursors be handed out in the order in which they become visible (a sequence
 * would be visible out of order, and readers who page by cursor would skip rows), it leaves nothing to deadlock on, and a verdict
 * is about what is committed. It costs that commits do not overlap: a flush carries a thousand transactions for that.
 */
export class Flusher {
  readonly own: OwnStatements;
  private readonly options: FlusherOptions;
  private readonly batches: Batches;

  constructor(options: FlusherOptions) {
    this.options = options;
    this.own = options.own;
    this.batches = new Batches(options.tables, options.names);
  }

  /** Throws Interrupted, CommitInDoubt, or whatever broke before the commit was sent. */
  async carry(connection: Connection, load: Load): Promise<Carried> {
    const { own, isSynchronous, tables } = this.options;
    const segments = cut(tables, load.requests);
    const opening = own.open(isSynchronous);
    const begin = own.begin(load.wallMs, load.standing, load.proof);
    const first = this.firstOf(segments);
    try {
      const each = await connection.runEach([...opening, begin, ...first]);
      for (const one of each.slice(0, opening.length + 1)) fulfilled(one);
      const beginning = OwnStatements.beginning(fulfilled(each[opening.length]).rows);
      if (!beginning.isIntact || beginning.knownTimeline !== beginning.timeline)
        throw new Interrupted(beginning);
      const answers: Answer[] = load.requests.map(startingAnswer);
      if (load.proof !== null && beginning.fence !== load.proof.fence) {
        await connection.run([{ text: "ROLLBACK" }]);
        return this.withoutLease(connection, load, load.proof, beginning.nowMs);
      }
      let outcomes: readonly PromiseSettledResult<Outcome>[] | null = each.slice(opening.length + 1);
      for (const segment of segments) {
        await this.segment(connection, segment, answers, outcomes);
        outcomes = null;
      }
      const answer = { storeNowMs: beginning.nowMs, answers };
      await this.commit(connection, this.announcements(load.requests, answers), answer);
      return { answer, committedIn: beginning.epoch };
    } catch (thrown) {
      if (!(thrown instanceof CommitInDoubt) && !connection.isLost)
        await connection.runEach([{ text: "ROLLBACK" }]);
      throw thrown;
    }
  }

  /** Whether all these takes find nothing; then there is nothing to write, and no turn to wait for. null = there is something. */
  async poll(connection: Connection, load: Load): Promise<FlushAnswer | null> {
    const takes = load.requests.filter(isTake);
    if (takes.length < load.requests.length) return null;
    const [head, ...found] = await connection.run(this.options.own.peek(takes, load.wallMs, load.proof));
    const [storeNowMs = 0, fence = null] = (head?.rows[0] ?? []) as (number | null)[];
    if (load.proof !== null && fence !== load.proof.fence) return null;
    if (found.some(({ rows }) => rows.length > 0)) return null;
    return { storeNowMs: storeNowMs ?? 0, answers: takes.map(() => []) };
  }

  /** Only what is about leases still goes through, in a transaction that proves nothing. */
  private async withoutLease(
    connection: Connection,
    load: Load,
    proof: Proof,
    nowMs: number,
  ): Promise<Carried> {
    const about = load.requests
      .map((request, i) => ({ request, i }))
      .filter(({ request }) => isAboutLeases(request));
    const lost = (): Answer =>
      new Fault("lease-lost", `lease ${proof.name} is no longer held with fence ${proof.fence}`);
    const answers = load.requests.map(lost);
    if (about.length === 0) return { answer: { storeNowMs: nowMs, answers }, committedIn: null };
    const requests = about.map(({ request }) => request);
    const { answer, committedIn } = await this.carry(connection, { ...load, requests, proof: null });
    for (const [at, { i }] of about.entries()) answers[i] = answer.answers[at] ?? null;
    return { answer: { storeNowMs: answer.storeNowMs, answers }, committedIn };
  }

  /** What of the first segment can go out together with the opening. */
  private firstOf(segments: readonly Segment[]): readonly Statement[] {
    const [segment] = segments;
    if (segment === undefined) return [];
    switch (segment.kind) {
      case "set":
        return [savepoint, ...this.batches.kinds(segment.transactions).map(({ statement }) => statement)];
      case "own":
        return segment.requests.map(({ request }) => this.options.own.request(request));
      case "single":
        return [savepoint, ...this.batches.oneByOne(segment.transaction).map(({ statement }) => statement)];
    }
  }

  /** `outcomes`: of what went out already; null = nothing has. */
  private async segment(
    connection: Connection,
    segment: Segment,
    answers: Answer[],
    outcomes: readonly PromiseSettledResult<Outcome>[] | null,
  ): Promise<void> {
    switch (segment.kind) {
      case "own": {
        const statements = segment.requests.map(({ request }) => this.options.own.request(request));
        const settled = outcomes ?? (await connection.runEach(statements));
        for (const [at, { index, request }] of segment.requests.entries()) {
          answers[index] = OwnStatements.answer(request, fulfilled(settled[at]).rows);
        }
        return;
      }
      case "single":
        answers[segment.transaction.index] = await this.single(connection, segment.transaction, outcomes);
        return;
      case "set":
        await this.set(connection, segment.transactions, answers, outcomes);
    }
  }

  private async set(
    connection: Connection,
    transactions: readonly Numbered[],
    answers: Answer[],
    outcomes: readonly PromiseSettledResult<Outcome>[] | null,
  ): Promise<void> {
    let left = transactions;
    let settled = outcomes;
    for (let attempt = 0; attempt < setAttemptsMax && left.length > 0; attempt++) {
      const kinds = this.batches.kinds(left);
      const statements = [savepoint, ...kinds.map(({ statement }) => statement)];
      const done = (settled ?? (await connection.runEach(statements))).slice(1);
      settled = null;
      const refused = firstFatal(done) === null ? failedIn(kinds, done) : null;
      throwFatal(done);
      if (refused !== null && refused.size === 0) {
        await connection.run([release]);
        return;
      }
      if (refused === null || this.mayHaveComeTooEarly(left, refused)) {
        await connection.run([rollbackTo]);
        break;
      }
      for (const [index, write] of refused) answers[index] = write;
      const hasTraces = left.some(({ index, writes }) => refused.has(index) && writes.length > 1);
      left = left.filter(({ index }) => !refused.has(index));
      if (!hasTraces) {
        await connection.run([release]);
        return;
      }
      await connection.run([rollbackTo]);
    }
    for (const transaction of left)
      answers[transaction.index] = await this.single(connection, transaction, null);
  }

  /** A refused insert whose key another transaction of the set, one that came before it, may have set free. */
  private mayHaveComeTooEarly(
    transactions: readonly Numbered[],
    refused: ReadonlyMap<number, number>,
  ): boolean {
    const freed = new Set<string>();
    for (const { index, writes } of transactions) {
      const at = refused.get(index);
      const write = at === undefined ? undefined : writes[at];
      if (write?.op === "insert" && freed.has(write.table)) return true;
      for (const one of writes) if (mayFree(tableOf(this.options.tables, one), one)) freed.add(one.table);
    }
    return false;
  }

  private async single(
    connection: Connection,
    transaction: Numbered,
    outcomes: readonly PromiseSettledResult<Outcome>[] | null,
  ): Promise<Answer> {
    const kinds = this.batches.oneByOne(transaction);
    const settled =
      outcomes ?? (await connection.runEach([savepoint, ...kinds.map(({ statement }) => statement)]));
    const done = settled.slice(1);
    throwFatal(done);
    for (const [at, outcome] of done.entries()) {
      const failed =
        outcome.status === "rejected" ? outcome.reason : outcome.value.rows.length > 0 ? null : undefined;
      if (failed === undefined) continue;
      await connection.run([rollbackTo, release]);
      return failed === null || isDuplicate(failed) ? at : statementFault(failed);
    }
    await connection.run([release]);
    return verdictDone;
  }

  /** Topics under which something was put by what is about to be committed. */
  private announcements(requests: readonly Request[], answers: readonly Answer[]): readonly Statement[] {
    const { announcement } = this.options;
    if (announcement === null) return [];
    const topics = new Set<string>();
    for (const [i, request] of requests.entries()) {
      if (request.kind !== "transaction" || answers[i] !== verdictDone) continue;
      for (const write of request.writes) {
        if (write.op === "insert" && isHinted(write.table)) topics.add(write.row["topic"] as string);
      }
    }
    return topics.size === 0 ? [] : [announcement([...topics])];
  }

  private async commit(
    connection: Connection,
    before: readonly Statement[],
    answer: FlushAnswer,
  ): Promise<void> {
    const warnings = connection.warningCount;
    const each = await connection.runEach([...before, untimed, { text: "COMMIT" }]);
    const last = each.at(-1);
    for (const one of each.slice(0, -1))
      if (one.status === "rejected" && !connection.isLost) throw one.reason;
    if (last?.status !== "fulfilled") throw new CommitInDoubt(answer, last?.reason);
    invariant(last.value.command === "COMMIT", "a flush was to be committed and was rolled back");
    // "has already committed locally, but might not have been replicated to the standby" is a warning, not an error.
    if (connection.warningCount > warnings)
      throw new CommitInDoubt(answer, new Error("the commit came with a warning"));
  }
}

const savepoint: Statement = { text: "SAVEPOINT item" };
const rollbackTo: Statement = { text: "ROLLBACK TO item" };
const release: Statement = { text: "RELEASE item" };
/** A commit waits for its standby as long as it takes: interrupted, it would stand and not be safe. */
const untimed: Statement = { text: "SET LOCAL statement_timeout = 0" };

const isAboutLeases = (request: Request): boolean =>
  request.kind.endsWith("-lease") || request.kind === "now";
const isTake = (request: Request): request is Take =>
  request.kind === "take-signals" || request.kind === "take-wake-ups";
const isHinted = (table: string): boolean => table === "store_signal" || table === "store_wake_up";
const startingAnswer = (request: Request): Answer => (request.kind === "transaction" ? verdictDone : null);

function fulfilled(one: PromiseSettledResult<Outcome> | undefined): Outcome {
  if (one?.status === "fulfilled") return one.value;
  throw one?.reason;
}

function firstFatal(done: readonly PromiseSettledResult<Outcome>[]): unknown {
  const failed = done.find((one) => one.status === "rejected");
  return failed === undefined ? null : failed.reason;
}

/** Of what failed, only the first says why: whatever follows it is told that the transaction is over. */
function throwFatal(done: readonly PromiseSettledResult<Outcome>[]): void {
  const failed = firstFatal(done);
  if (failed !== null && isFatal(failed)) throw failed;
}

/** For each refused transaction the first write whose guard did not hold. */
function failedIn(
  kinds: readonly Kind[],
  done: readonly PromiseSettledResult<Outcome>[],
): Map<number, number> {
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
