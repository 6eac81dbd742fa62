import { Fault, invariant } from "../../base/index.ts";
import type { TablesByName } from "../check.ts";
import type { Answer, FlushAnswer, Proof, Request } from "../request.ts";
import { verdictDone } from "../request.ts";
import { Batches } from "./batch.ts";
import type { Connection, Statement } from "./connection.ts";
import { fulfilled } from "./connection.ts";
import type { Standing, Take } from "./own-statements.ts";
import { HopedInVain, Hopes } from "./hopes.ts";
import { OwnStatements } from "./own-statements.ts";
import { SegmentCarrier, needsSavepoints } from "./segment-carrier.ts";
import type { Segment } from "./segments.ts";
import { cut } from "./segments.ts";
import type { Names } from "./sql.ts";

/** Flushes that go with savepoints after one turned out to need them. */
const carefulFlushesMax = 64;

export interface FlusherOptions {
  readonly tables: TablesByName;
  readonly names: Names;
  readonly own: OwnStatements;
  /** Whether the database waits for its disk (and standby) at commit unless told to. */
  readonly isSynchronous: boolean;
  /** Columns may be removed while we work: a statement that misses one fails the flush, which goes again without. */
  readonly mayShrink: boolean;
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
  /** Whether the flush stands whose commit was sent before, and which this one presumes to; null = there is none under way. */
  readonly before: Promise<boolean> | null;
  /** Called when the commit has been sent. */
  readonly onCommitting: () => void;
}

/** A flush that went through. */
export interface Carried {
  readonly answer: FlushAnswer;
  /** The database's epoch; null = there was nothing to commit. */
  readonly committedIn: number | null;
}

/** Why a flush was given up before anything was committed; `writer.ts` knows what to do. */
export class Interrupted extends Error {
  constructor() {
    super("the database is not the one this writer knew");
  }
}

/** The flush that this one was sent behind may not stand. Given up before anything was committed, to be carried again once that is known. */
export class Overtaken extends Error {
  constructor() {
    super("the commit before this flush is in doubt");
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
  private readonly hopes = new Hopes();
  private carefulFlushes = 0;

  constructor(options: FlusherOptions) {
    this.options = options;
    this.own = options.own;
    this.batches = new Batches(options.tables, options.names);
  }

  /** Throws Interrupted, CommitInDoubt, or whatever broke before the commit was sent. */
  carry(connection: Connection, load: Load): Promise<Carried> {
    return this.attempt(connection, load, false);
  }

  private async attempt(connection: Connection, load: Load, mustBeCareful: boolean): Promise<Carried> {
    const segments = cut(this.options.tables, load.requests);
    // With savepoints every key is asked about before it is inserted. A flush that is one piece goes without and is done again if it needs them,
    // and so are the next this many: someone whose transactions always fail late costs everybody that much, not every flush twice.
    if (this.carefulFlushes > 0) this.carefulFlushes--;
    const isCareful = mustBeCareful || this.carefulFlushes > 0 || segments.length > 1;
    try {
      return await this.carrySegments(connection, load, segments, isCareful);
    } catch (thrown) {
      if (thrown instanceof CommitInDoubt || connection.isLost) throw thrown;
      await connection.runEach([{ text: "ROLLBACK" }]);
      if (thrown instanceof HopedInVain) this.hopes.dash(thrown.table);
      else if (thrown === needsSavepoints) this.carefulFlushes = carefulFlushesMax;
      else throw thrown;
      // A key that is taken refuses somebody, who most often has something to undo.
      return this.attempt(connection, load, true);
    }
  }

  private async carrySegments(
    connection: Connection,
    load: Load,
    segments: readonly Segment[],
    isCareful: boolean,
  ): Promise<Carried> {
    const { own, isSynchronous } = this.options;
    const carrier = new SegmentCarrier(this.options, this.batches, this.hopes, connection, isCareful);
    const prepared = segments.map((segment) => carrier.prepare(segment));
    const opening = [...own.open(isSynchronous), own.begin(load.wallMs, load.standing, load.proof)];
    const each = await connection.runEach([...opening, ...(prepared[0]?.statements ?? [])]);
    const begun = each.slice(0, opening.length - 1);
    for (const one of begun) fulfilled(one);
    if (load.before !== null && !(await load.before)) throw new Overtaken();
    const beginning = OwnStatements.beginning(fulfilled(each[begun.length]).rows);
    if (!beginning.isIntact || beginning.knownTimeline !== beginning.timeline) {
      throw new Interrupted();
    }
    if (load.proof !== null && beginning.fence !== load.proof.fence) {
      await connection.run([{ text: "ROLLBACK" }]);
      return this.withoutLease(connection, load, load.proof, beginning.nowMs);
    }
    const answers: Answer[] = load.requests.map(startingAnswer);
    for (const [at, one] of prepared.entries()) {
      const outcomes = at === 0 ? each.slice(opening.length) : await connection.runEach(one.statements);
      await carrier.settle(one, outcomes, answers);
    }
    const answer = { storeNowMs: beginning.nowMs, answers };
    await this.commit(connection, this.announcements(load.requests, answers), answer, load.onCommitting);
    return { answer, committedIn: beginning.epoch };
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
    onCommitting: () => void,
  ): Promise<void> {
    const warnings = connection.warningCount;
    const committing = connection.runEach([...before, commitStatement]);
    onCommitting();
    const each = await committing;
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

/** A commit waits for its standby as long as it takes: interrupted, it would stand and not be safe. */
const commitStatement: Statement = { text: "SET LOCAL statement_timeout = 0; COMMIT" };

const isAboutLeases = (request: Request): boolean =>
  request.kind.endsWith("-lease") || request.kind === "now";
const isTake = (request: Request): request is Take =>
  request.kind === "take-signals" || request.kind === "take-wake-ups";
const isHinted = (table: string): boolean => table === "store_signal" || table === "store_wake_up";
const startingAnswer = (request: Request): Answer => (request.kind === "transaction" ? verdictDone : null);
